"""Encoders and segmenters: their protocols, one file a family, where weights lie and how they are checked. What is asked of them is not known here."""
