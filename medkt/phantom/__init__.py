"""Drawn studies of the four modalities with their findings, and reports of them; no model has a part in them."""
