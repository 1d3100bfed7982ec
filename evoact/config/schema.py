"""The keys of a config, section by section: each field is a key, its type what is allowed, its default
what holds if it is left out."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

from evoact.genomes.kinds import FIELDS, KINDS, OPTIONS, TYPES

DEFAULT_STEPS = 500
DEFAULT_PER_DECADE = 4

MOST = 10**15  # of whatever is counted
Positive = Annotated[int, Field(gt=0, le=MOST, strict=True)]
NotNegative = Annotated[int, Field(ge=0, le=MOST, strict=True)]
Seed = Annotated[int, Field(ge=0, lt=2**64, strict=True)]  # repeats derive seeds of 64 bits
FewTypes = Annotated[int, Field(gt=0, le=100, strict=True)]
PositiveNumber = Annotated[float, Field(gt=0, strict=True, allow_inf_nan=False)]
FiniteNumber = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Grid = Annotated[list[FiniteNumber], Field(min_length=1)]  # of a searched hyperparameter
Names = Annotated[list[str], Field(min_length=1)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Named(BaseModel):
    """A `name` from a table, and that entry's own arguments beside it; the name alone is short for both."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, data: Any) -> Any:
        return {"name": data} if isinstance(data, str) else data

    @property
    def arguments(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


# Lists of options, by the type of the field that they are options for.
LISTS: Mapping[type, Any] = {
    str: Names,
    int: Annotated[list[Positive], Field(min_length=1)],
    float: Annotated[list[PositiveNumber], Field(min_length=1)],
    tuple[str, ...]: Names,
}


def section_of(kind: str) -> type[Section]:
    """Return the keys of a kind in a search space, from its fields' options; a field of several functions brings
    `sizes`.
    """
    keys: dict[str, Any] = {}
    for field in dataclasses.fields(KINDS[kind]):
        options = OPTIONS[kind][field.name]
        values, default = LISTS[TYPES[kind][field.name]], options.default
        key = options.key or field.name
        if default is None:  # those of the space
            keys[key] = (values | None, None)
        elif default:
            keys[key] = (values, list(default))
        else:
            keys[key] = (values, ... if field.default is dataclasses.MISSING else [field.default])
        if options.sizes:
            keys["sizes"] = (LISTS[int], list(options.sizes))
    return create_model(f"{KINDS[kind].__name__}Types", __base__=Section, __module__=__name__, **keys)


# A kind with a field that no search space lists, such as a captured curve's values, can only be `given`.
SECTIONS = {
    kind: section_of(kind) for kind, options in OPTIONS.items() if options.keys() == set(FIELDS[kind])
}
globals().update({section.__name__: section for section in SECTIONS.values()})  # where pickle looks for them
Given = Annotated[list[dict[str, Any]], Field(min_length=1)]

if TYPE_CHECKING:

    class Types(Section):
        """The activations that a neuron type may have: one key for each kind, each of its keys a list of options,
        and `given`, a list of activations in the form that genomes have in the leaderboard."""

        given: Given | None = None

else:
    Types = create_model(
        "Types",
        __base__=Section,
        __module__=__name__,
        **{kind: (section | None, None) for kind, section in SECTIONS.items()},
        given=(Given | None, None),
    )


Share = Annotated[float, Field(gt=0, le=1, strict=True)]


class Layer(Section):
    """The choices of one site that differ from those of the others; a key left out is as there."""

    types: Types | None = None
    types_per_layer: tuple[FewTypes, FewTypes] | None = None
    least_width: Share | None = None


class LearningRates(Section):
    """A logarithmic grid from `low` to `high`, by default with so many a decade, or the `values` of a list."""

    low: PositiveNumber | None = None
    high: PositiveNumber | None = None
    per_decade: Annotated[int, Field(gt=0, le=100, strict=True)] | None = None
    values: Annotated[list[PositiveNumber], Field(min_length=1)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _default_grid(cls, data: Any) -> Any:
        """The default stands in the resolved config, too."""
        if isinstance(data, Mapping) and data.get("values") is None and data.get("per_decade") is None:
            return {**data, "per_decade": DEFAULT_PER_DECADE}
        return data


class Space(Section):
    """A search space; `functions` are the base functions of every kind of type that names none.

    `least_width` is the smallest share of a layer's neurons that must be present; `sites` gives single
    sites of the network choices of their own; `optimizer` lists values of arguments of `training.optimizer`, and
    `hyperparameters` those of others, such as `dropout`, of which each network takes one.
    """

    description: str = ""
    functions: Names | None = None
    types: Types
    types_per_layer: tuple[FewTypes, FewTypes] = (1, 3)
    least_width: Share = 1.0
    sites: dict[str, Layer] = {}
    neurons_per_block: Positive = 1
    learning_rate: LearningRates
    optimizer: dict[str, Grid] = {}
    hyperparameters: dict[str, Grid] = {}


class EarlyStopping(Section):
    """A network ends once its validation metric, taken every so many steps, has brought no new best so many times
    in a row. The budget counts it as a whole one."""

    every: Positive
    patience: Positive


class Averaging(Section):
    """What is evaluated and kept are the means of a network's weights over the last part of its steps, this share."""

    last: Annotated[float, Field(gt=0, le=0.5, strict=True)] = 0.2  # at most `training.averaging.MOST`


class Training(Section):
    """The length is either `steps`, with a default, or `epochs`: whole passes over the training split. Every
    `curve_every` steps, and at the steps `curve_at`, a point of each network's learning curve is stored. With `train`
    activations weights stay as they are built, one copy for all networks, and activations alone are trained."""

    steps: Positive | None = None
    epochs: Positive | None = None
    batch_size: Positive = 100
    optimizer: Named = Named(name="adam")
    schedule: Named = Named(name="constant")
    early_stop: EarlyStopping | None = None
    average: Averaging | None = None
    curve_every: Positive | None = None
    curve_at: list[Positive] | None = None
    train: Literal["all", "activations"] = "all"
    precision: Literal["float32", "bf16", "float16", "tf32", "auto"] = "float32"

    @model_validator(mode="before")
    @classmethod
    def _default_steps(cls, data: Any) -> Any:
        """The default stands in the resolved config, too."""
        if isinstance(data, Mapping) and data.get("steps") is None and data.get("epochs") is None:
            return {**data, "steps": DEFAULT_STEPS}
        return data


class Budget(Section):
    """The budget of the search phase, which ends at the first of the given limits."""

    networks: Positive | None = None
    gradient_examples: Positive | None = None
    minutes: PositiveNumber | None = None


class Baselines(Section):
    """Each base function alone at each learning rate of the grid, on this many replicates (0: none)."""

    replicates: NotNegative = 1


class Confirm(Section):
    """The best `candidates` of the search and the best `baselines`, each function at its best learning rate, are
    trained again on fresh `seeds`, which choose the best found and the best baseline (0 candidates: nothing is
    confirmed). These two are judged: trained on `judge` further seeds, which took no part in the choice (0: judged on
    the seeds of the choice, so that their figures are optimistic).

    `distinct: structure` takes the best of each structure only: every set of activations once, at the
    learning rate that suits it.

    The defaults cost what five candidates and a baseline on five seeds cost, and had the most power at that cost in a
    simulation of searches (`benchmarks/nulls.py`).
    """

    candidates: NotNegative = 5
    baselines: NotNegative = 3
    seeds: Positive = 2
    judge: NotNegative = 7
    distinct: Literal["candidate", "structure"] = "candidate"


class WarmStart(Section):
    """The search begins with the best `candidates` of earlier runs: one, several, or those of a pattern such as
    `runs/*`; `genomes` of a resolved config are those, and `surrogates` the lengths and variances that the surrogates
    of these runs have learnt."""

    run: str | Names
    candidates: Positive = 8
    genomes: list[dict[str, Any]] | None = None
    surrogates: list[list[PositiveNumber]] | None = None


class Islands(Section):
    """The search is one of several at the same time, each under its own seed, in its own run directory; those of the
    `others` are named. Every so many generations the best `migrants` of each go to all others, which train them, too.
    An island waits for the others for `wait_seconds` at most."""

    others: Names
    every: Positive = 4
    migrants: Positive = 4
    wait_seconds: PositiveNumber = 600.0


class Packs(Section):
    """Networks trained together. `auto` chooses `size` when a run starts, by memory and a short measurement; on Ray
    once for each kind of worker, and `sizes` of a run's config are what was found."""

    size: Positive | Literal["auto"] = "auto"
    sizes: dict[str, Positive] = {}
    threads: Positive = 1
    timeout_seconds: PositiveNumber | None = None


class Execution(Section):
    """`table` is the file that the backend of that name looks networks up in, instead of training them.

    Null means: `workers`, as many packs at once as the cluster has room for; `gpus_per_pack`, a share of
    a GPU if the cluster has any. With 0 packs stay on the CPU. `cpu_workers` are so many beside those with a GPU, on
    the processors. With `idle_seconds` a worker that has waited so long for
    a pack gives its resources back, until there are packs again."""

    backend: Literal["local", "ray_tune", "table"] = "ray_tune"
    table: str | None = None
    workers: Positive | None = None
    cpus_per_pack: PositiveNumber = 1.0
    gpus_per_pack: Annotated[float, Field(ge=0, strict=True, allow_inf_nan=False)] | None = None
    cpu_workers: NotNegative = 0
    max_failures: NotNegative = 2
    idle_seconds: PositiveNumber | None = None


class CurveData(Section):
    """A captured curve: its values at the points of its grid."""

    grid: list[float]
    values: list[float]


class PluginData(Section):
    """A module that stands before the colon of names, `name:thing`: in a config its name or its file, in a resolved one
    the text of the `file`, or the installed `package` with its `version`."""

    name: Annotated[str, Field(min_length=1)]
    file: str = ""
    text: str = ""
    package: str = ""
    version: str = ""

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, data: Any) -> Any:
        return {"name": data} if isinstance(data, str) else data


class FunctionData(Section):
    """A plugin's base function as reports draw it, through values at fixed places."""

    formula: str
    values: list[float]


class Config(Section):
    """A whole experiment. `plugins` are modules with networks, tasks and base functions of one's own; `functions` of a
    resolved config are what reports show of these functions. `curves` are the captured curves of a resolved config, by
    `name@digest`, so that it repeats the run without their files and on any machine. `test_splits` says which networks
    are evaluated on the test splits: those of the confirmation, or all, as a table of a whole space needs. `loss` takes
    the place of the task's, and so does `metric`, one of whatever a loss of one's own takes. `trackers` show the run
    while it goes on."""

    name: str = ""
    description: str = ""
    seed: Seed = 0
    task: Named
    loss: str | None = None
    metric: str | None = None
    network: Named
    space: Space
    strategy: Named = Named(name="hybrid")
    warm_start: WarmStart | None = None
    islands: Islands | None = None
    replicates: Annotated[int, Field(gt=0, le=1000, strict=True)] = 10
    training: Training = Training()
    budget: Budget
    baselines: Baselines = Baselines()
    confirm: Confirm = Confirm()
    test_splits: Literal["confirmed", "all"] = "confirmed"
    packs: Packs = Packs()
    execution: Execution = Execution()
    trackers: list[Named] = []
    curves: dict[str, CurveData] = {}
    plugins: list[PluginData] = []
    functions: dict[str, FunctionData] = {}

    @model_validator(mode="before")
    @classmethod
    def _warm_start_by_name(cls, data: Any) -> Any:
        """`warm_start: RUN_DIR` is short for the section, and so is a list of such."""
        if isinstance(data, Mapping) and isinstance(data.get("warm_start"), str | list):
            return {**data, "warm_start": {"run": data["warm_start"]}}
        return data

    @model_validator(mode="before")
    @classmethod
    def _one_tracker(cls, data: Any) -> Any:
        """`trackers: NAME` is short for a list of one."""
        if isinstance(data, Mapping) and isinstance(data.get("trackers"), (str, Mapping)):
            return {**data, "trackers": [data["trackers"]]}
        return data


class Arm(Section):
    """The keys of one arm of a comparison; those left out are as in the common part.

    Keys of `training` replace single keys there, `network` and `learning_rate` replace the section. The best arms of
    two `group`s, such as gradient and evolved, are compared with each other, too. With `amortised` meta-training comes
    on top of the budget, as if it were shared with many later searches. `control_of` names the arms for whose number
    of parameters this one was made wider.
    """

    description: str = ""
    group: str = ""
    space: Any = None
    strategy: Any = None
    learning_rate: Any = None
    training: dict[str, Any] = {}
    network: Any = None
    amortised: Annotated[bool, Field(strict=True)] = False
    control_of: list[str] = []


class Arms(Section):
    """The keys that a comparison has beside those of an experiment.

    `reference` is the arm that all others are compared with, by default the first; `scaled` the one whose functions
    have trained input and output scale, so that gain can be told from shape; differences within `equivalence`, in
    units of the metric, count as no practical difference (0: none are).
    """

    repeats: Annotated[int, Field(gt=0, le=1000, strict=True)] = 10
    reference: str | None = None
    scaled: str | None = None
    equivalence: Annotated[float, Field(ge=0, strict=True, allow_inf_nan=False)] = 0.0
    learning_rate: Any = None
    arms: Annotated[dict[Annotated[str, Field(min_length=1)], Arm], Field(min_length=2)]
