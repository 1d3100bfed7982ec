"""Carrying a search out: in this process (`local`), or on a Ray cluster (`cluster`), by the same few calls.

`run` is a run directory from its start to its end, `stages` and `interleaved` are what it asks and tells, `worker`
trains one pack. The rest is what they need before (`precision`, `pack_size`, `estimate`, `warm_start`, `identity`),
meanwhile (`running`, `progress`, `checkpoints`, `meta_trainings`, `confirmation`) and instead of training (`tabulate`,
`table_lookup`)."""
