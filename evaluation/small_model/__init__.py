"""How the embedded small model was made, and how well it does: training set, training, tables. `medkt` imports nothing of it.

What is run: `python evaluation/small_model` (the recipe), and `words.py`, `examination.py` and `derived.py` beside it.
"""
