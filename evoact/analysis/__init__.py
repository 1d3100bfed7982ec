"""The analysis of a run, from its leaderboard alone.

Of a search: its confirmed `candidates` and its summary (`search_summary`). Of a comparison: the `winners` of its arms,
the `comparison` itself, `bootstrap` intervals and `verdicts`. How a search went: its `progress`, what it proposed
(`proposed_types`), which choices mattered (`importance`), where a candidate comes from (`lineage`). What networks
became: `learning_curves`, `activation_curves`, and the `participation_ratio` of `trained` ones."""
