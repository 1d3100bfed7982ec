"""Neuron types for anybody's own Ray Tune trainables.

mixed, calls = evoact.heterogenize(model, example)

def trainable(config):
    mixed, _ = evoact.heterogenize(make_model(), example)
    use(mixed, config)
    ...  # train with config["learning_rate"]
    tune.report({"accuracy": accuracy})

search = NeuronTypes(calls.sites, metric="accuracy", mode="max", networks=100)
tune.Tuner(trainable, tune_config=tune.TuneConfig(search_alg=search, num_samples=100)).fit()
"""

import math
import pickle
from collections.abc import Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any, Protocol

from ray.tune.search import Searcher
from torch import nn

from evoact.config import load_space
from evoact.config.spaces import search_space
from evoact.config.yaml_files import find_space
from evoact.errors import UserError
from evoact.genomes.genome import Site
from evoact.nn import activation_sites
from evoact.records import COMPLETED, Proposal, TrainProposal, TrainResult
from evoact.strategies import create, proposer


class Named(Protocol):
    """A place for activations, as `evoact.heterogenize` finds them."""

    @property
    def name(self) -> str: ...

    @property
    def width(self) -> int: ...


class NeuronTypes(Searcher):
    """A searcher of Ray Tune that proposes activations for the sites of a network, and a learning rate.

    A trainable gets `neuron_types`, a mixture such as `40 sin + 24 relu` for each site, `learning_rate`, whatever else
    the space searches, and `seed`, the number of the replicate. What it reports under `metric` when it ends is what
    the strategy learns from; a trial that fails is a failed network.

    Args:
        sites: where activations are, of `evoact.heterogenize`; neurons of one site count as exchangeable
        space: a search space by name or path
        metric: what the trainable reports
        mode: `max` or `min`
        networks: the budget, at least `num_samples`
        strategy: evolution, random or optuna: what trains the networks of the space and nothing else
        seed: of all its randomness
        options: settings of the strategy

    Raises:
        UserError: for an unknown space or strategy, or one that needs to train networks of its own.
    """

    def __init__(
        self,
        sites: Sequence[Named],
        space: str | Path = "quickstart",
        metric: str | None = None,
        mode: str | None = None,
        networks: int = 100,
        strategy: str = "evolution",
        seed: int = 0,
        options: Mapping[str, Any] | None = None,
    ):
        super().__init__(metric=metric, mode=mode)
        self._metric: str | None = metric
        self._mode: str | None = mode
        own = [Site(site.name, site.width) for site in sites]
        if not own:
            raise UserError(
                "expected at least one site to propose activations for, got none; see evoact.heterogenize"
            )
        made = search_space(load_space(find_space(str(space), Path())), str(space), own)
        if not proposer(strategy, made, seed, options or {}, networks).from_space:
            raise UserError(
                f"expected a strategy that proposes networks of the space alone, such as evolution, got {strategy!r}"
            )
        self._strategy = create(strategy, made, seed=seed, networks=networks, steps=1, options=options or {})
        self._pending: dict[str, Proposal] = {}

    def set_search_properties(
        self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any
    ) -> bool:
        """Take metric and mode from Tune; a search space of Tune's own is refused."""
        if config:
            return False
        self._metric, self._mode = metric or self._metric, mode or self._mode
        return True

    def suggest(self, trial_id: str) -> Any:
        """Return the config of a trial; None if others must end first."""
        proposals = self._strategy.ask(1)
        if not proposals:
            return Searcher.FINISHED if self._strategy.finished else None
        (proposal,) = proposals
        self._pending[trial_id] = proposal
        genome = proposal.genome
        types = {site.site: site.label for site in genome.sites}
        return {"neuron_types": types, **dict(genome.hyperparameters), "seed": proposal.seed}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell the strategy how a trial ended."""
        proposal = self._pending.pop(trial_id, None)
        if not isinstance(proposal, TrainProposal):
            return
        value = (result or {}).get(self.metric)
        number = float(value) if isinstance(value, Real) else math.nan  # of NumPy's types, too
        usable = not error and math.isfinite(number)
        told = TrainResult(
            proposal,
            COMPLETED if usable else "failed",
            str(self.metric),
            "maximize" if self.mode == "max" else "minimize",
            val_metric=number if usable else None,
        )
        self._strategy.tell([told])

    def save(self, checkpoint_path: str) -> None:
        """Write where the search stands."""
        Path(checkpoint_path).write_bytes(pickle.dumps(self.__dict__))

    def restore(self, checkpoint_path: str) -> None:
        """Take up a search where `save` left it; only of files that you wrote yourself, because they are pickles."""
        self.__dict__.update(pickle.loads(Path(checkpoint_path).read_bytes()))


def use(model: nn.Module, config: Mapping[str, Any]) -> nn.Module:
    """Give the sites of a network from `evoact.heterogenize` the activations that a trial was given; return it.

    Raises:
        UserError: if the network has no such site, or one of another width.
    """
    sites = activation_sites(model)
    for name, mixture in config["neuron_types"].items():
        if name not in sites:
            known = ", ".join(sites)
            raise UserError(
                f"expected the sites {known}, got {name!r}; give NeuronTypes those of this network"
            )
        sites[name].mix(mixture)
    return model
