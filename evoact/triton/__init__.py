"""Kernels for CUDA GPUs, written in Triton, which CUDA builds of PyTorch bring along."""
