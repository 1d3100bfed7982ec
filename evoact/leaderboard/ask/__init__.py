"""Questions to a leaderboard: the best candidates, SQL or all rows (`query`).

`ranking` orders candidates, of which `prefilter` leaves out those that cannot matter; `constant_columns` and
`arrow_numpy` read less and copy less. `sql` runs a user's statement in the process of `sandbox`, if `select_only` and
the list in `sql_functions` find it harmless; `formats` and `plain_types` write answers."""
