"""The fault bench: damaged inputs of every format that medkt reads, each in a process of its own with limits.

`PYTHONPATH=tests python -m faults.bench run --seconds-each 60` goes through all attacks and can be stopped and gone on
with; `replay FILE` does one finding again. What counts as a finding is said in `child`, what is damaged how in `attacks`.
"""
