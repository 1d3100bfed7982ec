"""Small C kernels, built at first use if there is a C compiler; everything works without them."""
