"""The experiment that a config describes: the objects that it names, and their cost."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from evoact.config.inlined import plugins_of
from evoact.config.schema import Config
from evoact.config.spaces import search_space
from evoact.genomes.space import SearchSpace
from evoact.networks import network_builder
from evoact.networks.network import Network
from evoact.plugins import Plugin
from evoact.records import UNLIMITED
from evoact.strategies import proposer
from evoact.strategies.numbering import cost_of
from evoact.strategies.strategy import Proposer
from evoact.tasks import task_builder
from evoact.tasks.objective import with_loss
from evoact.tasks.task import Task
from evoact.training.averaging import Average
from evoact.training.early_stop import EarlyStop
from evoact.training.pack import TrainingSettings
from evoact.yaml_text import dumps

SHAPING = {"task", "loss", "network", "space"}  # the entries of a config on which network and space depend


@dataclass(frozen=True)
class Experiment:
    """A valid config and the objects it names."""

    config: Config

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def seed(self) -> int:
        return self.config.seed

    @property
    def plugins(self) -> dict[str, Plugin]:
        """The plugins that its config lists, by name."""
        return plugins_of(self.config)

    @cached_property
    def task(self) -> Task:
        named = self.config.task
        build = task_builder(named.name, self.plugins)
        made = build(**named.arguments)
        return with_loss(made, self.config.loss, self.config.metric)

    @cached_property
    def network(self) -> Network:
        named = self.config.network
        build = network_builder(named.name, self.plugins)
        return build(self.task.input_shape, self.task.n_outputs, **named.arguments)

    @cached_property
    def space(self) -> SearchSpace:
        return search_space(self.config.space, self.config.name, self.network.sites)

    @property
    def largest_network(self) -> Network:
        """The network with as many pre-activations everywhere as any genome of the space has there."""
        return self.network.with_pieces(self.space.pieces)

    @property
    def training(self) -> TrainingSettings:
        t = self.config.training
        return TrainingSettings(
            t.batch_size,
            t.optimizer.name,
            t.optimizer.arguments,
            schedule=t.schedule.name,
            schedule_arguments=t.schedule.arguments,
            curve_every=t.curve_every,
            curve_at=tuple(t.curve_at or ()),
            early_stop=EarlyStop(t.early_stop.every, t.early_stop.patience) if t.early_stop else None,
            average=Average(t.average.last) if t.average else None,
            train=t.train,
            precision=t.precision,
        )

    @cached_property
    def steps(self) -> int:
        """Optimizer steps of one network; an epoch is as many as whole batches fit the training split."""
        t = self.config.training
        if t.steps is not None:
            return t.steps
        assert t.epochs is not None  # the section says so
        return t.epochs * max(1, len(self.task.splits()["train"]) // t.batch_size)

    @property
    def networks(self) -> int:
        """The number of networks that the search phase may train; UNLIMITED if only time is limited."""
        b = self.config.budget
        limits = [UNLIMITED]
        if b.networks is not None:
            limits.append(b.networks)
        if b.gradient_examples is not None:
            limits.append(b.gradient_examples // (self.steps * self.training.batch_size))
        return min(limits)

    @cached_property
    def proposer(self) -> Proposer:
        """The strategy itself, without what drives it."""
        named = self.config.strategy
        known = self.networks + self.baseline_networks
        return proposer(named.name, self.space, self.seed, named.arguments, known)

    @cached_property
    def meta_cost(self) -> int:
        """The cost of meta-training, in networks' worth of gradient-examples; 0 if there is none."""
        return cost_of(self.proposer.meta_trainings, self.steps * self.training.batch_size)

    @property
    def meta_networks(self) -> int:
        """How many networks' worth of the budget goes into meta-training, beyond a row for each."""
        if self.networks >= UNLIMITED:
            return 0
        return self.meta_cost - len(self.proposer.meta_trainings)

    @property
    def timed(self) -> bool:
        """Whether the steps of every network are timed, because the search wants them fast."""
        return "step_seconds_solo" in self.config.strategy.arguments.get("objectives", ())

    @property
    def baseline_networks(self) -> int:
        space = self.space
        return self.config.baselines.replicates * len(space.functions) * len(space.settings)

    @property
    def confirm_networks(self) -> int:
        c = self.config.confirm
        extra = min(c.baselines, len(self.space.functions)) if self.config.baselines.replicates else 0
        return (c.candidates + extra) * c.seeds if c.candidates else 0

    @property
    def judge_networks(self) -> int:
        """The networks that judge the best found and the best baseline; the winner alone if no baseline is to stand
        beside it.
        """
        c = self.config.confirm
        return (2 if c.baselines else 1) * c.judge if c.candidates else 0

    @property
    def networks_by_phase(self) -> dict[str, int]:
        """The most networks that each phase trains, meta-trainings among them."""
        return {
            "baseline": self.baseline_networks,
            "search": self.networks - self.meta_networks,
            "confirm": self.confirm_networks,
            "judge": self.judge_networks,
        }

    @property
    def gradient_examples(self) -> int:
        """What a whole run costs at most."""
        networks = sum(self.networks_by_phase.values()) + self.meta_networks
        return networks * self.steps * self.training.batch_size

    def seeded(self, seed: int) -> "Experiment":
        """Return the same under another seed."""
        return self.with_config(seed=seed)

    def with_config(self, **update: Any) -> "Experiment":
        """Return the same but for these entries of its config. Its data, which is read already, is held once; network
        and space are shared, too, if they do not depend on these entries."""
        other = Experiment(self.config.model_copy(update=update)).sharing(self.task)
        if not SHAPING & update.keys():
            other.__dict__.update(network=self.network, space=self.space)
        return other

    def sharing(self, task: Task) -> "Experiment":
        """Return this experiment, with a task that was made of an equal config: data is held once, not for each arm."""
        self.__dict__["task"] = task
        return self

    def plain(self) -> dict[str, Any]:
        """Return the resolved config as plain data: complete, with the search space inside."""
        plain = self.config.model_dump(mode="json", exclude_none=True)
        return {key: value for key, value in plain.items() if value or key not in ("plugins", "functions")}

    def to_yaml(self) -> str:
        """Return the resolved config, readable by `load`."""
        return dumps(self.plain())
