"""Scalar activation functions as torch operations, and their assignment to neurons in packs."""
