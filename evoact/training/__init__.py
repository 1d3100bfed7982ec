"""Training by gradient.

A pack of members (`pack`, `members`) goes through the one loop (`loop`) with batches (`batches`, `read_ahead`), the
forward pass of any network (`forward_pass`), losses and gradients in one kernel where there is one (`whole_step`), and
optimizers with settings per member (`optimizers`, `schedules`, `averaging` of weights). It ends early or at a
checkpoint (`early_stop`, `checkpoints`), is evaluated (`evaluation`, on its way for `learning_curves`), and costs only
the member at fault if it fails (`isolation`). `memory` keeps what is freed, `meta` learns neuron types over fresh
networks, `gpu` is what a GPU needs."""
