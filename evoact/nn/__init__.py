"""Layers of several activation functions for anybody's networks, and anybody's networks with such layers.

`mixed` is the layer, for the `sites` of a network, and `operators` what compilers see of it. `heterogeneous` converts a
network: `recording` runs it once, `found` and `calls` tell its activation calls apart, `checks` refuses what cannot be
converted. `ties` and `symmetry` find out which neurons may change places."""

from evoact.nn.heterogeneous import Call, Calls, activation_sites, heterogenize, homogenize
from evoact.nn.mixed import MixedActivation
from evoact.nn.sites import Site

__all__ = ["Call", "Calls", "MixedActivation", "Site", "activation_sites", "heterogenize", "homogenize"]
