"""Small versions of every network, random members, and a forward pass of them outside of training."""

import random

import torch

from evoact.genomes.genome import Genome, SiteGenome
from evoact.genomes.kinds import Base
from evoact.networks import NETWORKS
from evoact.training.forward_pass import Chance, PackPass, initial_statistics
from evoact.training.members import Member, initial_member
from evoact.training.pack import plan_sites
from tests.networks.recurrent import recurrent

# The table's networks, and one of a kind that the table lacks.
BUILDERS = {**NETWORKS, "mlp_batch": NETWORKS["mlp"], "mlp_layer": NETWORKS["mlp"], "recurrent": recurrent}
SMALL = {
    "mlp": ((7,), 3, {"hidden": [6, 5]}),
    "mlp_batch": ((7,), 3, {"hidden": [6, 5], "norm": "batch"}),
    "mlp_layer": ((7,), 3, {"hidden": [6, 5], "norm": "layer"}),
    "lenet5": ((2, 20, 24), 3, {"width": 0.1}),
    "kerasnet": ((3, 14, 18), 4, {"width": 0.1}),
    "resnet56": ((3, 9, 8), 4, {"blocks": 2, "width": 0.25}),
    "alexnet": ((3, 67, 99), 5, {"width": 0.02}),
    "hamiltonian": ((4,), 4, {"hidden": [6, 5]}),
    "recurrent": ((5, 3), 4, {"neurons": 6}),
}
TYPES = (Base("tanh"), Base("sin"), Base("gaussian"))


def small(name):
    shape, outputs, arguments = SMALL[name]
    return BUILDERS[name](shape, outputs, **arguments)


def random_member(net, seed=0, types=TYPES):
    rng = random.Random(seed)
    sites = tuple(
        SiteGenome(s.name, types, tuple(rng.randrange(len(types)) for _ in range(s.neurons)))
        for s in net.sites
    )
    return Member(Genome(sites, (("learning_rate", 0.01),)), f"m{seed}", 0, 1)


def inputs(name, members, examples=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(members, examples, *SMALL[name][0], dtype=torch.float64, generator=generator)


def tensors(net, members):
    """The network's initial parameters and random running statistics, [K, ...] in float64."""
    drawn = [initial_member(m, net, 0) for m in members]
    parameters = {p.name: torch.stack([d[p.name] for d in drawn]) for p in net.parameters}
    like = next(iter(parameters.values()))
    statistics = initial_statistics(net, len(members), like)
    generator = torch.Generator().manual_seed(1)
    for value in statistics.values():
        value.uniform_(0.5, 1.5, generator=generator)
    return parameters, statistics


def run(net, members, parameters, statistics, x, training=False):
    """Outputs; activations whose parameters are not given have none."""
    none = x.new_empty(len(members), 0)
    parameters = {f"{s.name}.activation": none for s in net.sites} | parameters
    masks = Chance(0, [m.name for m in members], 0, x.device)
    plans = plan_sites(members, net, x.device)
    return net.forward(parameters, PackPass(plans, parameters, statistics, masks, training), x)
