"""Candidates as plain data, without torch.

Kinds of activations (`kinds`, what their fields take: `field_options`), what is to be known of each (`activation`), the
same as JSON (`activation_json`), their names and expressions (`function_names`). Genomes and their canonical form
(`genome`), the same as text (`notation`), what a search may vary (`space`, `choices`, `layer_choices`, `tied_layers`,
`hyperparameters`), genetic variation (`variation`), the flat form for samplers (`encoding`), the settings of
meta-training (`meta_training`), and what per-neuron hulls become (`discretised`)."""
