"""Rows on disk: the one writer (`write`), who may write (`lock`), parts and which of them can be read (`parts`,
`open_parts`), their checksums (`seal`), and many small parts made into few (`compact`)."""
