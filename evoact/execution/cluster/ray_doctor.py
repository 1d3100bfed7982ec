"""What the nodes of a Ray cluster have that a search needs."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from evoact.errors import counted
from evoact.execution.cluster.ray_cluster import cluster, dashboard, enter, gpus, room, this_node
from evoact.execution.running.doctor import OK, WARNING, WRONG, Finding, examine, versions

SECONDS = 120.0  # for a node to answer, whose process has to start and to import


def examine_cluster(
    address: str, config: Mapping[str, Any] | None, run_dir: str
) -> Iterator[tuple[str, list[Finding]]]:
    """Yield what the cluster at an address and each of its nodes have, by name, as they answer.

    Args:
        address: of the cluster
        config: a resolved config that is to be carried out there, as plain data
        run_dir: the run directory, or its URI

    Raises:
        UserError: if there is no cluster, or it does not take this user's token.
    """
    with cluster(address, 0):
        yield f"cluster at {address}", _whole(config)
        asked = {
            node["NodeID"]: ray.remote(num_cpus=0, max_retries=0)(_here)
            .options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False))
            .remote(None if config is None else dict(config), run_dir, versions(), os.getcwd())
            for node in ray.nodes()
            if node["Alive"]
        }
        for node, answer in asked.items():
            try:
                name, findings = ray.get(answer, timeout=SECONDS)
                yield name, [Finding(**finding) for finding in findings]
            except ray.exceptions.GetTimeoutError:
                yield (
                    node[:12],
                    [Finding("node", WRONG, f"no answer within {SECONDS:.0f} s", "is it cut off?")],
                )
            except ray.exceptions.RayError as error:
                reason = str(error).strip().splitlines()[-1]
                yield node[:12], [Finding("node", WRONG, reason, "install evoact there as here")]


def _whole(config: Mapping[str, Any] | None) -> list[Finding]:
    resources = ray.cluster_resources()
    nodes = sum(node["Alive"] for node in ray.nodes())
    found = f"{counted(nodes, 'node')}, {resources.get('CPU', 0):g} CPU, {resources.get('GPU', 0):g} GPU"
    findings = [Finding("nodes", OK, found)]
    if os.environ.get("RAY_AUTH_MODE") == "token":  # Ray sets it where there is a token
        findings.append(Finding("token", OK, "sent and taken"))
    else:
        meaning = "whoever reaches its ports runs code there; start it with RAY_AUTH_MODE=token"
        findings.append(Finding("token", WARNING, "the cluster takes drivers without one", meaning))
    if dashboard():
        findings.append(Finding("dashboard", OK, str(dashboard())))
    execution = (config or {}).get("execution", {})
    asked = {"cpu": execution.get("cpus_per_pack", 1.0), "gpu": gpus(execution.get("gpus_per_pack"))}
    packs = room(asked, refuse=False)
    meaning = (
        "" if packs else "no node is large enough for one; lower execution.cpus_per_pack or gpus_per_pack"
    )
    findings.append(Finding("room", OK if packs else WRONG, f"{counted(packs, 'pack')} at once", meaning))
    return findings


def _here(
    config: Mapping[str, Any] | None, run_dir: str, like: Mapping[str, str], directory: str
) -> tuple[str, list[dict[str, str]]]:
    enter(directory)
    return this_node(), [asdict(finding) for finding in examine(config, run_dir, like)]
