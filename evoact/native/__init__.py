"""Small C kernels, built at first use if there is a C compiler; everything works without them.

`library` builds and loads them, `tensors` says which tensors they take. The other modules hand tensors to the source of
their name: activations (`mixture` to `activations.c`, `spline`, `piecewise`, `subnetwork`, `units`, `pieces`), layers
(`dense`, `convolution`, `pooling`, `normalisation`, `attention`), a whole step (`mlp`), and `optimizers`."""
