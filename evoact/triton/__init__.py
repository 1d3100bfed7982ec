"""Kernels for CUDA GPUs, written in Triton, which CUDA builds of PyTorch bring along: the base `functions`, their
`mixture` over rows, whose `terms` say what is computed, and whether all this is there (`backend`)."""
