"""Candidates as plain data, without torch: kinds of activations (`activation`), their names and expressions
(`function_names`), genomes and their canonical form (`genome`), what a search may vary (`space`, `choices`,
`layer_choices`), genetic variation (`variation`), the flat form for samplers (`encoding`), the settings of
meta-training (`meta_training`), and what per-neuron hulls become (`discretised`)."""
