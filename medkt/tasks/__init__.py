"""Tasks: what is done with each case of a run, which columns that gives, and what the numbers say. Who works on which case is `medkt.runs`'s.

One module or folder a task. A task knows images and models, and nothing of processes, engines or pages: `medkt.runs` does
its cases, and a page shows its sections.
"""
