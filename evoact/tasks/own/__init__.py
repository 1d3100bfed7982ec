"""People's own data: reading it (`npz`), what it means (`targets`), how it is split and scaled (`own_data`,
`preprocessing`), and what was understood, in a line (`data_summary`)."""
