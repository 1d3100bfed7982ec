"""Small tasks and diverse members for the training tests."""

import random

import numpy as np

from evoact.genomes.genome import Genome, SiteGenome, canonical, fingerprint
from evoact.genomes.kinds import Base, Hull, Subnetwork
from evoact.networks.mlp import mlp
from evoact.tasks.task import ArrayTask, Split
from evoact.training.members import Member

ACTIVATIONS = [
    Base("relu"),
    Base("tanh"),
    Base("sin"),
    Base("gaussian"),
    Base("mish"),
    Base("elu"),
    Hull("convex", ("identity", "relu")),
    Hull("affine", ("relu", "sin", "tanh"), "neuron"),
    Hull("linear", ("cos", "swish"), "neuron"),
    Subnetwork("sin", 4, "exact"),
    Subnetwork("identity", 3, "exact"),
]
# Without kinks: what rounding does to these stays small over many steps.
SMOOTH = [a for a in ACTIVATIONS if a != Base("relu") and "relu" not in getattr(a, "functions", ())]


def task(seed=0, n=300, features=6, classes=3, regression=False):
    rng = np.random.default_rng(seed)
    projection = rng.normal(size=(features, classes))

    def split(size):
        x = rng.normal(size=(size, features)).astype(np.float32)
        y = np.tanh(x @ projection)
        return Split(x, y.astype(np.float32) if regression else y.argmax(1).astype(np.int64))

    data = {"train": split(n), "validation": split(60), "test": split(60)}
    return ArrayTask((features,), classes, not regression, lambda: data)


def network(features=6, classes=3, hidden=(12, 10)):
    return mlp((features,), classes, hidden=hidden)


def member(i, net, steps=10, activations=ACTIVATIONS, seeds=3):
    rng = random.Random(i)
    sites = []
    for s in net.sites:
        types = tuple(rng.sample(activations, 3))
        sites.append(SiteGenome(s.name, types, tuple(rng.randrange(3) for _ in range(s.neurons))))
    rate = rng.choice([0.001, 0.003, 0.01])
    genome = canonical(Genome(tuple(sites), (("learning_rate", rate),)), net.sites)
    seed = i % seeds
    return Member(genome, f"{fingerprint(genome)}-{seed}", seed, steps)


def image_task(shape, classes, n=40, seed=0):
    """Random images; the class is the brightest of as many random projections."""
    rng = np.random.default_rng(seed)
    projection = rng.normal(size=(int(np.prod(shape)), classes))

    def split(size):
        x = rng.normal(size=(size, *shape)).astype(np.float32)
        return Split(x, (x.reshape(size, -1) @ projection).argmax(1).astype(np.int64))

    data = {"train": split(n), "validation": split(20)}
    return ArrayTask(shape, classes, True, lambda: data)
