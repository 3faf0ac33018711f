"""Runs over many cases: a ledger that survives anything, workers, and tables that come out the same. No medicine is known here.

A case is a key with the files it reads, a row is columns; what is done with a case is a `Runner`'s affair, and which cases
there are a `Plan`'s (`medkt.tasks` has both). A run is a folder. `RunFolder` says what it is a run of, `Ledger` which case
stands where, `run_cohort` does the work with an engine (`LocalEngine`: processes of this machine; `RayEngine`: a cluster),
`write_tables` makes Parquet and CSV, `merge_runs` joins shards, `verify_run` says whether all is as it was written, `query`
asks the tables in SQL.
"""
