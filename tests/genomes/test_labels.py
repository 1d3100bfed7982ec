"""How networks are called in tables: short, whatever the number of sites."""

import random

from evoact.genomes.activation import Base, PReLU
from evoact.genomes.genome import Genome, Site, SiteGenome, homogeneous
from evoact.genomes.space import SearchSpace, choices
from evoact.networks import NETWORKS


def site(name: str, *types: tuple[str, int]) -> SiteGenome:
    assignment = tuple(i for i, (_, n) in enumerate(types) for _ in range(n))
    return SiteGenome(name, tuple(Base(label) for label, _ in types), assignment)


def test_few_sites_are_written_out():
    genome = Genome((site("a", ("relu", 60), ("sin", 40)), site("b", ("tanh", 100))))
    assert genome.label == "60 relu + 40 sin | 100 tanh"
    assert Genome(genome.sites[1:]).label == "100 tanh"


def test_one_activation_everywhere():
    sites = NETWORKS["resnet56"]((3, 32, 32), 10).sites
    assert homogeneous(Base("tanh"), sites).label == f"tanh everywhere ({len(sites)} sites)"
    mixed = Genome((site("a", ("relu", 2), ("sin", 2)), site("b", ("relu", 2), ("sin", 2))))
    assert mixed.label == "2 relu + 2 sin (at 2 sites)"


def test_ordinary_networks():
    relu = (site("a", ("relu", 4)), site("b", ("relu", 3)))
    assert Genome(relu).ordinary
    assert not Genome((*relu, site("c", ("sin", 3)))).ordinary  # neither this nor the next one
    assert not Genome((*relu, site("c", ("relu", 2), ("absent", 1)))).ordinary
    assert not homogeneous(PReLU(), [Site("a", 4)]).ordinary


def test_equal_neighbours_stand_together():
    genome = Genome((site("a", ("relu", 4)), site("b", ("relu", 4)), site("c", ("sin", 4))))
    assert genome.label == "4 relu (at 2 sites) | 4 sin"


def test_many_different_sites_are_abbreviated():
    sites = tuple(Site(f"s{i}", 64) for i in range(55))
    space = SearchSpace("s", sites, (choices("base", name=("relu", "sin", "tanh")),), (3, 3), (0.1,))
    label = space.sample(random.Random(0)).label
    assert "... 49 more sites ..." in label
    assert len(label) < 300
    assert label.count(" | ") == 6
