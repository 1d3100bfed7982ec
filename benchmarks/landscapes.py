"""What the default search finds, and what verdicts say of it, where the truth is known and a mixture helps by so much.

    python benchmarks/landscapes.py [--quick] [--json FILE] [--landscapes N] [--compared N] [--searches N]
                                    [--insight SHARE]

Landscapes are those of mixture experiments (Scheffe 1958), over shares s_f of functions: sum b_f s_f + b s_i s_j for a
pair, less a parabola in the logarithm of the learning rate about the best rate of what is mixed. The worths b_f have a
standard deviation of 3 points, every function has a best rate of its own, the pair is any, and b is such that the best
mixture is better than the best homogeneous network by what is asked for; at 0 there is no pair, and nothing beats it.
Networks have the luck in validation and test of `benchmarks/nulls.py`. `--insight` is what probes tell: the share of
their neurons that keep a function of the pair; all others keep any. So nothing is trained, but the stages, the choices
and the verdicts are those of evoact.

A landscape is one comparison of two arms, homogeneous and the default, of ten repeats of 100 networks, and beside it
`--searches` searches of 100 networks with baselines of their own.
"""

import argparse
import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from nulls import LUCK, TEST, VALIDATION
from reporting import Row, arguments, report

from evoact.analysis.comparison import findings
from evoact.analysis.search_summary import Confirmed, Summary, summarise
from evoact.analysis.verdicts import Verdict
from evoact.analysis.winners import ArmResult, Winner
from evoact.config import experiment
from evoact.config.experiment import Experiment
from evoact.execution.stages import Stages
from evoact.genomes.genome import Genome, SiteGenome, to_json
from evoact.genomes.kinds import Base
from evoact.records import COMPLETED, Proposal, Result, TrainProposal, result_of
from evoact.report.search_text import welch_interval
from evoact.seeding import derive, generator
from evoact.strategies.archive import ASIDE
from evoact.strategies.proposers.enumerate import baselines

FUNCTIONS = (
    *("identity", "relu", "leaky_relu", "elu", "softplus", "sigmoid"),
    *("tanh", "sin", "cos", "gaussian", "swish", "abs"),
)
SPREAD = 0.03  # standard deviation of what functions are worth alone
DECADE = 0.06  # what a rate that is wrong by a factor of ten costs
HELPS = (0, 1, 3)  # points
BLOCKS = 25  # of four neurons
LANDSCAPES, QUICK = 200, 1
REPEATS = 10
REFERENCE, DEFAULT = "homogeneous", "hybrid"


def made(strategy: Mapping[str, Any], baseline: int, **confirm: int) -> Experiment:
    """A search of 100 networks as in `configs/compare_mnist1d.yaml`."""
    mixed = strategy["name"] == DEFAULT
    return experiment(
        {
            "task": {"name": "mnist1d"},
            "network": {"name": "mlp", "hidden": [100]},
            "space": {
                "functions": list(FUNCTIONS),
                "types": {"base": {}},
                "types_per_layer": [1, 4 if mixed else 1],
                "neurons_per_block": 4,
                "learning_rate": {"low": 1e-3, "high": 3.2e-2, "per_decade": 2},
            },
            "strategy": dict(strategy),
            "training": {"steps": 500, "batch_size": 100},
            "budget": {"networks": 100},
            "baselines": {"replicates": baseline},
            "confirm": confirm,
            "execution": {"backend": "local", "gpus_per_pack": 0},
        }
    )


# The arms of a comparison, and a search with baselines of its own.
ARM = {"candidates": 3, "baselines": 0, "seeds": 5, "judge": 15}
ARMS = {
    REFERENCE: made({"name": "enumerate", "seeds": [0, 1, 2]}, 0, **ARM),
    DEFAULT: made({"name": DEFAULT}, 0, **ARM),
}
SEARCH = made({"name": DEFAULT}, 1, candidates=5, baselines=3, seeds=2, judge=7)


@dataclass(frozen=True)
class Landscape:
    """What networks are truly worth, as fractions, where the best mixture helps by `helps`, and `insight` of a probe's
    neurons keep a function of it."""

    helps: float
    seed: int
    insight: float = 0.0

    @cached_property
    def _draw(self) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
        draw = generator("landscape", self.seed)
        worths = 0.5 + SPREAD * draw.standard_normal(len(FUNCTIONS))
        rates = draw.uniform(-2.75, -1.75, len(FUNCTIONS))
        i, j = draw.choice(len(FUNCTIONS), 2, replace=False)
        return worths, rates, (int(i), int(j))

    def worth(self, shares: np.ndarray, rate: np.ndarray, together: float) -> np.ndarray:
        """The truth of networks with these shares of functions [networks, functions] and rates [networks]."""
        worths, rates, (i, j) = self._draw
        off = np.log10(rate) - shares @ rates
        return np.asarray(shares @ worths + together * shares[:, i] * shares[:, j] - DECADE * off**2)

    @cached_property
    def best_alone(self) -> float:
        """The truth of the best homogeneous network."""
        return max(self.truth(genome) for genome in baselines(SEARCH.space))

    @cached_property
    def together(self) -> float:
        """What the pair must be worth together, so that its best mixture helps by so much."""
        if not self.helps:
            return 0.0
        low, high = 0.0, 10.0
        for _ in range(60):
            middle = (low + high) / 2
            reached = self._best_mixture(middle) - self.best_alone >= self.helps
            low, high = (low, middle) if reached else (middle, high)
        return high

    @property
    def best_mixture(self) -> float:
        """The truth of the best mixture of the pair; further functions make none better."""
        return self._best_mixture(self.together)

    def _best_mixture(self, together: float) -> float:
        i, j = self._draw[2]
        grid = np.array(SEARCH.space.learning_rates)
        shares = np.zeros((BLOCKS - 1, len(FUNCTIONS)))
        shares[:, i] = np.arange(1, BLOCKS) / BLOCKS
        shares[:, j] = 1 - shares[:, i]
        rates = np.tile(grid, len(shares))
        return float(self.worth(np.repeat(shares, len(grid), axis=0), rates, together).max())

    def truth(self, genome: Genome) -> float:
        shares = np.zeros((1, len(FUNCTIONS)))
        (site,) = genome.sites
        for activation, count in zip(site.types, site.counts(), strict=True):
            assert isinstance(activation, Base)
            shares[0, FUNCTIONS.index(activation.name)] += count / len(site.assignment)
        rate = np.array([genome.hyperparameter("learning_rate")])
        # Homogeneous networks need not know what the pair is worth, which is made from them.
        return float(self.worth(shares, rate, self.together if genome.heterogeneous else 0.0)[0])

    def result(self, proposal: Proposal, repeat: int) -> Result:
        """What training would give, in each repeat with other luck."""
        assert isinstance(proposal, TrainProposal)
        draw = generator("luck", self.seed, repeat, proposal.fingerprint, proposal.seed)
        if proposal.context == ASIDE:
            (site,) = proposal.genome.sites
            n = len(site.assignment)
            told = draw.random(n) < self.insight * bool(self.helps)
            kept = np.where(told, draw.choice(self._draw[2], n), draw.integers(len(FUNCTIONS), size=n))
            types = tuple(dict.fromkeys(kept.tolist()))
            became = SiteGenome(
                site.site,
                tuple(Base(FUNCTIONS[f]) for f in types),
                tuple(types.index(f) for f in kept.tolist()),
            )
            genome = Genome((became,), proposal.genome.hyperparameters)
            told = {"genome": to_json(genome), "coefficients": {site.site: [1.0] * len(types)}}
            fields: dict[str, Any] = {"val_metric": 0.5, "discretised": json.dumps(told)}
        else:
            truth, (shared, own) = self.truth(proposal.genome), draw.standard_normal(2)
            tested = truth + TEST * (LUCK * shared + (1 - LUCK**2) ** 0.5 * own)
            fields = {"val_metric": truth + VALIDATION * shared, "test_metric": tested}
        return result_of(proposal, COMPLETED, "accuracy", "maximize", **fields)


def carried_out(plan: Experiment, landscape: Landscape, repeat: int) -> tuple[Summary, dict[int, Genome]]:
    """One search on a landscape, and the genomes of its candidates."""
    stages = Stages(plan.seeded(derive(landscape.seed, "repeat", repeat)))
    while not stages.finished:
        stages.tell([landscape.result(p, repeat) for p in stages.ask(64)])
    genomes = {r.proposal.candidate: r.proposal.genome for r in stages.results}
    return summarise(stages.results, plan.config.confirm.judge), genomes


def searched(landscape: Landscape, searches: int) -> list[dict[str, float]]:
    """Searches: what they say of the best found and the best baseline, and what is true."""
    made = []
    for repeat in range(searches):
        summary, genomes = carried_out(SEARCH, landscape, repeat)
        found, baseline = summary.best_found, summary.best_baseline
        assert found is not None
        assert baseline is not None
        low, high = (
            (0.0, 0.0) if found is baseline else welch_interval(found.test_by_seed, baseline.test_by_seed)
        )
        true = landscape.truth(genomes[found.candidate]) - landscape.truth(genomes[baseline.candidate])
        made.append(
            {
                "gain said": low > 0,
                "gain said, none there": low > 0 and true <= 0,
                "coverage": low <= true <= high,
                "optimism": 100 * (found.test - baseline.test - true),
                "true gain": 100 * true,
                "over the best function": 100
                * (landscape.truth(genomes[found.candidate]) - landscape.best_alone),
                "mixture found": landscape.truth(genomes[found.candidate]) > landscape.best_alone + 1e-9,
            }
        )
    return made


def compared(landscape: Landscape) -> dict[str, float]:
    """One comparison: what it says of the default, and what is true."""
    results, worth, mixed = [], {}, 0.0
    for name, plan in ARMS.items():
        won, true = {}, []
        for repeat in range(REPEATS):
            summary, genomes = carried_out(plan, landscape, repeat)
            assert summary.winner is not None
            won[repeat] = _winner(name, repeat, summary.winner)
            true.append(landscape.truth(genomes[summary.winner.candidate]))
            mixed += name == DEFAULT and summary.winner.heterogeneous
        worth[name] = statistics.fmean(true)
        results.append(ArmResult(name, won, (), 0, 0, 0, 0, 0.0, ""))
    (gain,) = findings(
        results, reference=REFERENCE, metric="accuracy", direction="maximize", resamples=999
    ).against
    true_gain = worth[DEFAULT] - worth[REFERENCE]
    return {
        "better said": gain.verdict is Verdict.BETTER,
        "better said, not so": gain.verdict is Verdict.BETTER and true_gain <= 0,
        "worse said": gain.verdict is Verdict.WORSE,
        "worse said, not so": gain.verdict is Verdict.WORSE and true_gain >= 0,
        "coverage": gain.difference.low <= true_gain <= gain.difference.high,
        "true gain": 100 * true_gain,
        "over the best function": 100 * (worth[DEFAULT] - landscape.best_alone),
        "winners that mix": mixed / REPEATS,
    }


def _winner(arm: str, repeat: int, c: Confirmed) -> Winner:
    seeds = tuple(range(c.seeds))
    return Winner(
        arm, repeat, c.candidate, "", "", c.validation, seeds, np.array(c.test_by_seed), None, 1, None, None
    )


def rows_of(name: str, found: list[dict[str, float]]) -> list[Row]:
    """Means of all, with bars where something must hold."""
    made = []
    for key in found[0] if found else ():
        value = statistics.fmean(float(each[key]) for each in found)
        unit = "points" if key in ("optimism", "true gain", "over the best function") else "of draws"
        bar, better = None, "higher"
        if key in ("gain said, none there", "better said, not so", "worse said, not so"):
            bar, better = 0.025, "lower"
        elif key == "coverage":
            bar = 0.93
        made.append(Row(f"{name}: {key}", value, unit, bar, better))
    return made


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--landscapes", type=int, metavar="N", help=f"of each kind; by default {LANDSCAPES}")
    parser.add_argument(
        "--compared", type=int, metavar="N", help="on how many of them arms are compared; all"
    )
    parser.add_argument("--insight", type=float, default=0.0, metavar="SHARE", help="of probes; 0")
    parser.add_argument("--searches", type=int, default=1, metavar="N", help="on each; 1")


def main() -> None:
    options = arguments(__doc__, more=more)
    count = options.landscapes or (QUICK if options.quick else LANDSCAPES)
    both = count if options.compared is None else options.compared
    rows: list[Row] = []
    for points in HELPS:
        landscapes = [Landscape(points / 100, seed, options.insight) for seed in range(count)]
        rows += rows_of(f"{points} points, comparison", [compared(each) for each in landscapes[:both]])
        found = [one for each in landscapes for one in searched(each, options.searches)]
        rows += rows_of(f"{points} points, search", found)
    report(options, rows)


if __name__ == "__main__":
    main()
