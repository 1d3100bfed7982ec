"""Scalar activation functions as torch operations, and their assignment to neurons in packs.

`functions` holds the base functions, `kinds` a module for each kind of activation, `routing` evaluates any assignment
of neurons to types for a whole pack. Beside them: uniform cubic splines (`spline`), units that are no sums of base
functions (`units`), captured curves and their files (`capture`, `curves`), per-neuron hulls made discrete
(`strongest`), how alike activations are (`similarity`), and derivatives of what kernels compute (`differentiable`)."""
