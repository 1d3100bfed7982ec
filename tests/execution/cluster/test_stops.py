"""Searches on Ray that are stopped: what they leave, and how they go on."""

import os
import signal
import sys

import pytest
import ray
from ray.util.placement_group import placement_group

from evoact.execution.cluster.ray_cluster import NAMESPACE
from evoact.execution.run import resume, search
from tests.conftest import COMMAND, DIVISION, started, wait_for, wait_for_rows
from tests.execution.cluster.nodes import packs_of, processes_of

pytestmark = pytest.mark.ray


def test_an_interrupt_gives_the_resources_back(shared_cluster, on_ray, tiny, tmp_path):
    """Also in a program that keeps Ray, whose own placement groups stay."""
    own = placement_group([{"CPU": 0.5}])
    ray.get(own.ready())

    def observe(progress):
        if progress.done >= 4:
            raise KeyboardInterrupt

    made = on_ray(tiny(baselines__replicates=0), workers=8, cpus_per_pack=1)  # some wait for room
    assert not search(made, tmp_path / "ray", observe=observe).complete
    wait_for(lambda: ray.available_resources().get("CPU") == 3.5)

    def left():
        return [g["state"] for g in ray.util.placement_group_table().values() if g["state"] != "REMOVED"]

    wait_for(lambda: left() == ["CREATED"])
    ray.util.remove_placement_group(own)


def test_idle_workers_give_their_resources_back(shared_cluster, expected, on_ray, tiny, tmp_path, rows_of):
    """A worker that has nothing to do for a while goes, and another comes if there is."""
    gone = []

    def observe(progress):
        if progress.done == 8 and not gone:  # the driver offers nothing meanwhile
            (name,) = [a["name"] for a in ray.util.list_named_actors(all_namespaces=True)]
            exchange = ray.get_actor(name, namespace=NAMESPACE)
            gone.append(wait_for(lambda: not ray.get(exchange.everyone.remote())))

    made = on_ray(tiny(packs__size=8), workers=1, cpus_per_pack=0.5, idle_seconds=0.5)
    assert search(made, tmp_path / "ray", observe=observe).complete
    assert rows_of(tmp_path / "ray", DIVISION) == expected
    assert gone
    assert len({pack["worker"] for pack in packs_of(tmp_path / "ray")}) >= 2


POISON = "import pathlib; pathlib.Path(__file__).with_suffix('.ran').touch(); raise SystemExit('poisoned')"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_search_resumes(how, expected, config_file, tmp_path, rows_of, shared_cluster):
    """The signal reaches all processes of the search, as from a terminal or a scheduler; then another cluster goes
    on. What lies in the working directory is imported by none of them."""
    (tmp_path / "evoact").mkdir()
    for module in ("evoact/__init__.py", "torch.py", "yaml.py", "numpy.py", "ray.py", "psutil.py"):
        (tmp_path / module).write_text(POISON)
    slowly = {
        "name": "faulty",
        "hangs": 1.0,
        "hang_seconds": 0.02,
    }  # so that it is not done before the signal
    config = config_file(task=slowly, execution={"backend": "ray_tune", "workers": 1})
    command = [sys.executable, "-P", "-c", COMMAND[-1]]
    process = started([*command, "search", config, "-o", "run"], tmp_path, start_new_session=True)
    wait_for_rows(tmp_path / "run")
    os.killpg(process.pid, how)
    out, err = process.communicate(timeout=180)
    assert process.returncode == (-how if how == signal.SIGKILL else 130)
    wait_for(lambda: not processes_of(process.pid))
    assert not list(tmp_path.glob("**/*.ran"))
    if how != signal.SIGKILL:
        assert "starting Ray" in err
        assert "Traceback" not in err
        assert "Stopped after" in out
        assert "evoact resume run" in out
    assert len(rows_of(tmp_path / "run")) < len(expected)
    resume(tmp_path / "run")
    assert rows_of(tmp_path / "run", DIVISION) == expected
