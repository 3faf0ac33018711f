"""Many studies: a ledger that survives anything, workers that hold the models, and tables that come out the same.

A run is a folder. `RunFolder` says what it is a run of, `Ledger` which case stands where, `run_cohort` does the work
with an engine (`LocalEngine`: processes of this machine; `RayEngine`: a cluster), `write_tables` makes Parquet and CSV,
`merge_runs` joins shards, `query` asks the tables in SQL.
"""
