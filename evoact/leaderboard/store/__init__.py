"""Rows on disk: the one writer (`write`), who may write (`lock`), parts and which of them can be read (`parts`,
`open_parts`), checksums of rows (`seal`) and of what networks learned (`tensors`), and many small parts made into few
(`compact`, `merge`)."""
