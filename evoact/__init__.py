"""evoact: distributed search over activation functions per neuron."""

__version__ = "0.1.0"
