"""The evaluation of neurons: from a pack's genomes to the plan of a site (`plan`), what the plan does
(`site_plan`), rows that are combinations of fixed functions in one operation with three backends (`mixture`), and
whether a GPU's kernels can be trusted (`cuda_check`)."""
