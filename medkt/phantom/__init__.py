"""Drawn studies of the four modalities with their findings, and words for them; no model has a part in them."""
