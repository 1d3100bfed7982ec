"""What `import evoact` and the command line share: a search from data and defaults (`search`, `defaults`), its result
(`search_result`, `picture`), live `progress`, and the run in its trackers (`tracking`)."""
