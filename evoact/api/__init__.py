"""What `import evoact` and the command line share: a search from data and defaults (`search`, `defaults`), its result
(`search_result`, `picture`), live `progress`, whether it was in time (`clock`), and
the run in its trackers (`tracking`)."""
