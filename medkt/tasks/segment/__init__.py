"""The task of finding: a mask of each finding in each study, scored where there is a reference."""
