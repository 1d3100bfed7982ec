"""The provenance of a run: task, network, seeds, versions, machine, and the command that runs it again."""

import shlex

from evoact.code_text import digest
from evoact.errors import counted
from evoact.leaderboard.run_files import CONFIG
from evoact.networks.own.named import FOUND, SYMMETRIES, TEXT
from evoact.plugins import Plugin
from evoact.report.number_format import Unit
from evoact.report.run import RunData
from evoact.report.sections.section import Section
from evoact.report.text_table import TextTable


def section(run: RunData, unit: Unit) -> Section:
    """Return what was run, on what, with which seeds, and how to run it again."""
    plan, record = run.plan, run.record
    config, machine = plan.config, record.get("machine", {})
    training = config.training
    length = counted(training.steps, "step") if training.steps else counted(training.epochs or 0, "epoch")
    processors = counted(machine["processors"], "processor") if machine.get("processors") else "? processors"
    facts = {
        "name": plan.name,
        "description": plan.description,
        "task": _named(config.task.name, config.task.arguments),
        "network": _named(config.network.name, _shown(config.network.arguments)),
        "plugins": ", ".join(map(_plugin, plan.first.plugins.values())),
        "training": f"{length} of batches of {training.batch_size}, {training.optimizer.name}, as configured",
        "seed": str(plan.seed),
        "evoact": str(record.get("evoact", "?")),
        "started": str(record.get("started_at", "?")),
        "finished": str(record["finished_at"] or "not yet"),
        "machine": f"{machine.get('platform', '?')}, {processors}",
        "Python": str(machine.get("python", "?")),
        "packages": ", ".join(f"{name} {version}" for name, version in machine.get("packages", {}).items()),
        "kernels": "compiled C" if machine.get("kernels") else "PyTorch",
    }
    if run.arms:
        facts["arms"] = "; ".join(
            f"{name}: {e.config.strategy.name}"
            + (f" (control of {', '.join(plan.controls[name])})" if name in plan.controls else "")
            for name, e in plan.arms.items()
        )
        facts["repeats"] = f"{plan.repeats}, seeds of the repeats derived from the seed"
    rows = tuple((name, value) for name, value in facts.items() if value)
    again = shlex.quote(run.home.child(CONFIG).text)
    command = f"evoact {plan.command} {again} -o NEW_DIRECTORY"
    commands = f"{command}\n{command} --set seed=1"
    return Section(
        "provenance",
        "What was run",
        tables=(TextTable("Facts about the run", ("what", "value"), rows, frozenset(("what", "value"))),),
        code=(("To run it again", commands), ("The whole config", plan.to_yaml())),
    )


def _shown(arguments: dict[str, object]) -> dict[str, object]:
    """Of somebody's own code the digest, and not the sites, which all sections name."""
    text = arguments.get(TEXT)
    shown = {key: value for key, value in arguments.items() if key not in (TEXT, FOUND, SYMMETRIES)}
    return shown | ({"SHA-256": digest(text)[:12]} if isinstance(text, str) else {})


def _plugin(plugin: Plugin) -> str:
    known = plugin.described if plugin.package else f"{plugin.file}, SHA-256 {digest(plugin.text)[:12]}"
    return f"{plugin.name} ({known})"


def _named(name: str, arguments: dict[str, object]) -> str:
    inside = ", ".join(f"{key}: {value}" for key, value in arguments.items())
    return f"{name} ({inside})" if inside else name
