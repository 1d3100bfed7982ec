"""What `import evoact` and the command line share: a search from data and defaults (`search`, `defaults`), its result
(`search_result`, `picture`), and progress that is seen (`progress`)."""
