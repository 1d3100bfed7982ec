"""Activations of every kind, and sites that mix them, on which the tests of several folders run."""

import torch

from evoact.activations.kinds import initial, site_count
from evoact.genomes.genome import SiteGenome
from evoact.genomes.kinds import (
    Base,
    Captured,
    Hull,
    LpPool,
    Maxout,
    NetworkInNetwork,
    PiecewiseLinear,
    PReLU,
    ProbabilisticMaxout,
    Rational,
    Scaled,
    Subnetwork,
    Tabulated,
)

# Of every kind; the curve `bend` is a fixture.
EXAMPLES = [
    Base("tanh"),
    Base("normalised(gelu)"),
    Hull("convex", ("relu", "sin", "tanh"), "neuron"),
    Hull("affine", ("identity", "sin(2*x)")),
    Hull("conic", ("sigmoid", "tanh")),
    Hull("linear", ("cos", "gaussian")),
    Subnetwork("sin", 5),
    Subnetwork("sin", 5, "exact"),
    Scaled("tanh"),
    Scaled("normalised(gelu)", "neuron"),
    PReLU(),
    PReLU("neuron"),
    PiecewiseLinear(3),
    PiecewiseLinear(1, "layer"),
    Rational(),
    Rational(3, 2, "neuron", "tanh"),
    Tabulated("bend"),
    Tabulated("bend", "cubic", "linear"),
    Tabulated("bend", "cubic", "constant"),
    Captured("bow", -3.0, 3.0, (0.5, -0.3, 0.1, 0.4, -1.0)),
    Captured("arc", -3.0, 2.0, (0.5, -0.3, 0.1, 0.4, -1.0), "cubic", "constant"),
    Maxout(3),
    ProbabilisticMaxout(3),
    ProbabilisticMaxout(2, 4.0),
    LpPool(2),
    LpPool(4, "neuron"),
    NetworkInNetwork(3, "tanh"),
]
SITES = [
    SiteGenome("s", (Base("tanh"), Base("relu"), Base("sin")), (0, 1, 2, 0, 1, 2)),
    SiteGenome(
        "s",
        (
            Hull("convex", ("identity", "tanh")),
            Base("abs"),
            Hull("affine", ("gaussian", "sin", "tanh"), "neuron"),
        ),
        (0, 1, 2, 0, 1, 2),
    ),
    SiteGenome(
        "s", (Subnetwork("sin", 4, "exact"), Hull("linear", ("mish", "tanh"), "neuron")), (0, 1, 0, 0, 1, 0)
    ),
    SiteGenome("s", (Subnetwork("swish", 4, "exact"), Subnetwork("zero", 3, "exact")), (0, 0, 1, 0, 0, 1)),
    SiteGenome("s", (Base("elu"),), (0,) * 6),
    SiteGenome("s", (Hull("convex", ("cos", "gelu", "selu")), Base("softplus")), (1, 0, 1, 1, 0, 1)),
]


def pack(sites, m=5, seed=0):
    g = torch.Generator().manual_seed(seed)
    width = max(site_count(s) for s in sites)
    p = torch.zeros(len(sites), width, dtype=torch.float64)
    for k, s in enumerate(sites):
        start = initial(s, g)
        p[k, : len(start)] = start + 0.3 * torch.randn(len(start), generator=g, dtype=torch.float64)
    z = torch.randn(len(sites), len(sites[0].assignment), m, generator=g, dtype=torch.float64)
    return z.requires_grad_(), p.requires_grad_()
