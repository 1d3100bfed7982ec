"""Small C kernels, built at first use where there is a C compiler; everything works without them."""
