"""Meta-training of neuron types (Choudhary et al. 2022): the outer loop (`meta_train`), its gradient in four modes
(`outer_gradient`, `unrolled`), second-order products by autograd (`derivatives`) or written out for MLPs
(`mlp_derivatives`), the types as outer variables (`typed_sites`), and inner optimizers that can be differentiated
(`inner_optimizers`)."""
