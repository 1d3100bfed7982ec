"""The record of every network ever trained.

Its columns are in `schema`, learning curves in `curves`, where a run lies in `location`, the run's other files in
`run_files` (`checked` says if they were changed), whole spaces in one file in `table_file`, several runs as one in
`union`. `store` writes rows, `ask` answers questions about them."""
