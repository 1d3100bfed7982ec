"""Layers of several activation functions for anybody's networks, and anybody's networks with such layers."""

from evoact.nn.heterogeneous import Call, Calls, activation_sites, heterogenize, homogenize
from evoact.nn.mixed import MixedActivation
from evoact.nn.sites import Site

__all__ = ["Call", "Calls", "MixedActivation", "Site", "activation_sites", "heterogenize", "homogenize"]
