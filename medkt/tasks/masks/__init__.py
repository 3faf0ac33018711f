"""The task of scoring: masks that are there already against references, and what any table of scored masks says."""
