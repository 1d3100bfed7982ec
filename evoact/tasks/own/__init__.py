"""People's own data.

Read from a table (`table_file`, its columns as `raw_columns`), arrays (`npz`), images (`image_folder`) or memory
(`in_memory`); what its `columns` and `targets` are, and what is `written` otherwise than programs read it; its
`splitting` and `preprocessing`; the task of it all (`own_data`). What is said of it: refusals (`checks`), `advice`,
`suspicions`, an `inspection` of a table, and a `data_summary` in a line."""
