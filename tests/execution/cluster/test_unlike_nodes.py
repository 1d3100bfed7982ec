"""Searches on clusters whose nodes are unlike each other: packs of the size that suits each."""

import pytest
import torch

from evoact.config import experiment
from evoact.config.stored_plan import experiment_of
from evoact.execution.run import resume, search
from evoact.execution.running.log import events
from evoact.leaderboard.location import Location
from tests.execution.cluster.nodes import ENDLESS, cluster, connected, packs_of, workers_of

pytestmark = pytest.mark.ray

SMALL = "0.25 GB, 1 at once"  # a node's kind, after the name of its processor


def test_unlike_nodes_take_packs_of_their_own_size(on_ray, tiny, tmp_path, is_prefix):
    """Each kind measures once, also over a resume, and the rows are those of any other size."""
    run, changes = tmp_path / "ray", ENDLESS | {"packs": {"size": "auto"}}

    def told():
        """The packs of each process that carried the run out."""
        processes = []
        for event in events(Location.of(run)):
            if event["event"] == "begin":
                processes.append([])
            elif event["event"] == "pack":
                processes[-1].append(event)
        return processes

    def observe(progress):
        sizes = {*experiment_of(run).config.packs.sizes.values()}
        if len(sizes) == 2 and sizes <= {pack["networks"] for pack in told()[-1]}:
            raise KeyboardInterrupt

    with cluster(1, 0, "--memory=300000000") as here:
        here.join("--num-cpus=1", "--memory=4000000000")
        with connected(2, here.address):
            made = on_ray(tiny(**changes), workers=2)
            assert not search(made, run, observe=observe).complete
        # Anew, as when its process ends: Tune leaves its workers' room taken.
        with connected(2, here.address):
            assert not resume(run, observe=observe).complete
    is_prefix(run, **changes)
    packs = experiment_of(run).config.packs
    assert packs.size == "auto"
    sizes = {kind.partition(", ")[2]: size for kind, size in packs.sizes.items()}
    assert sizes.keys() == {SMALL, "4 GB, 1 at once"}
    assert sizes[SMALL] == 1 < sizes["4 GB, 1 at once"]
    assert sum(e["event"] == "pack size" for e in events(Location.of(run))) == 2
    assert len(told()) == 2
    for process in told():
        assert max(pack["networks"] for pack in process) == sizes["4 GB, 1 at once"]
        # The worker of the large node, though it may take smaller ones, too.
        assert len({pack["worker"] for pack in process if pack["networks"] > 1}) == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="pretends to have a GPU")
def test_processors_train_beside_gpus(tiny, tmp_path, rows_of):
    """A worker that is granted a GPU, on a small node, and two without, on a large one: each kind takes packs of the
    size that it measured once, and rows say who trained them."""
    run, large = tmp_path / "ray", "4 GB, 2 at once"
    config = tiny(**ENDLESS, packs={"size": "auto"})
    config["execution"] = {"backend": "ray_tune", "gpus_per_pack": 1, "workers": 1, "cpu_workers": 2}

    def observe(progress):
        largest = max(experiment_of(run).config.packs.sizes.values(), default=0)
        if len(workers_of(run)) == 3 and largest in {pack["networks"] for pack in packs_of(run)}:
            raise KeyboardInterrupt

    with cluster(1, 0, "--num-gpus=1", "--memory=300000000") as here:
        here.join("--num-cpus=2", "--memory=4000000000")
        with connected(2, here.address):
            assert not search(experiment(config), run, observe=observe).complete
    told = [e for e in events(Location.of(run)) if e["event"] == "pack size"]
    assert len(told) == 2
    sizes = {e["kind"].partition(", ")[2]: e["size"] for e in told}
    assert sizes[SMALL] == 1 < sizes[large]
    found = {}
    for row in rows_of(run, ()):
        found.setdefault(row["device"], set()).add(row["pack_size"])
    assert found.keys() == {"cpu", "cpu (granted GPU 0, but no CUDA)"}
    assert found["cpu (granted GPU 0, but no CUDA)"] == {1}
    assert max(found["cpu"]) == sizes[large]
