"""The keys of a config, section by section: each field is a key, its type what is allowed, its default
what holds where it is left out."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

DEFAULT_STEPS = 500
DEFAULT_PER_DECADE = 4

Positive = Annotated[int, Field(gt=0, strict=True)]
NotNegative = Annotated[int, Field(ge=0, strict=True)]
PositiveNumber = Annotated[float, Field(gt=0, strict=True, allow_inf_nan=False)]
FiniteNumber = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Names = Annotated[list[str], Field(min_length=1)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Named(BaseModel):
    """A `name` from a table, and that entry's own arguments beside it."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str

    @property
    def arguments(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


Sharing = Annotated[list[str], Field(min_length=1)]
Counts = Annotated[list[Positive], Field(min_length=1)]


class BaseTypes(Section):
    functions: Names | None = None


class HullTypes(Section):
    kinds: Names = ["convex"]
    functions: Names | None = None
    sizes: Counts = [2]
    per: Sharing = ["layer"]


class SubnetworkTypes(Section):
    bases: Names
    hidden: Counts = [8]
    evaluation: Names = ["spline"]


class ScaledTypes(Section):
    bases: Names | None = None
    per: Sharing = ["layer"]


class PReLUTypes(Section):
    per: Sharing = ["layer"]


class PiecewiseLinearTypes(Section):
    hinges: Counts = [2]
    per: Sharing = ["neuron"]


class RationalTypes(Section):
    numerator: Counts = [5]
    denominator: Counts = [4]
    per: Sharing = ["layer"]
    initial: Names = ["leaky_relu"]


class TabulatedTypes(Section):
    curves: Names
    interpolation: Names = ["linear"]
    extrapolation: Names = ["linear"]


class MaxoutTypes(Section):
    pieces: Counts = [2]


class ProbabilisticMaxoutTypes(Section):
    pieces: Counts = [2]
    sharpness: Annotated[list[PositiveNumber], Field(min_length=1)] = [1.0]


class LpPoolTypes(Section):
    pieces: Counts = [2]
    per: Sharing = ["layer"]


class NetworkInNetworkTypes(Section):
    pieces: Counts = [2]
    bases: Names | None = None


class Types(Section):
    """Which activations a neuron type may have: one key for each kind, each of its keys a list of options,
    and `given`, a list of activations in the form that genomes have in the leaderboard."""

    base: BaseTypes | None = None
    hull: HullTypes | None = None
    subnetwork: SubnetworkTypes | None = None
    scaled: ScaledTypes | None = None
    prelu: PReLUTypes | None = None
    piecewise_linear: PiecewiseLinearTypes | None = None
    rational: RationalTypes | None = None
    tabulated: TabulatedTypes | None = None
    maxout: MaxoutTypes | None = None
    probabilistic_maxout: ProbabilisticMaxoutTypes | None = None
    lp_pool: LpPoolTypes | None = None
    network_in_network: NetworkInNetworkTypes | None = None
    given: Annotated[list[dict[str, Any]], Field(min_length=1)] | None = None


Share = Annotated[float, Field(gt=0, le=1, strict=True)]


class Layer(Section):
    """What one site may be made of, where it differs from the others; what is left out is as there."""

    types: Types | None = None
    types_per_layer: tuple[Positive, Positive] | None = None
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
    sites of the network choices of their own; `optimizer` lists values of arguments of `training.optimizer`, of which
    each network takes one.
    """

    description: str = ""
    functions: Names | None = None
    types: Types
    types_per_layer: tuple[Positive, Positive] = (1, 3)
    least_width: Share = 1.0
    sites: dict[str, Layer] = {}
    neurons_per_block: Positive = 1
    learning_rate: LearningRates
    optimizer: dict[str, Annotated[list[FiniteNumber], Field(min_length=1)]] = {}


class EarlyStopping(Section):
    """A network ends once its validation metric, taken every so many steps, has brought no new best so many times
    in a row. The budget counts it as a whole one."""

    every: Positive
    patience: Positive


class Training(Section):
    """How long is either `steps`, by default so many, or `epochs`: whole passes over the training split."""

    steps: Positive | None = None
    epochs: Positive | None = None
    batch_size: Positive = 100
    optimizer: Named = Named(name="adam")
    schedule: Named = Named(name="constant")
    early_stop: EarlyStopping | None = None

    @model_validator(mode="before")
    @classmethod
    def _default_steps(cls, data: Any) -> Any:
        """The default stands in the resolved config, too."""
        if isinstance(data, Mapping) and data.get("steps") is None and data.get("epochs") is None:
            return {**data, "steps": DEFAULT_STEPS}
        return data


class Budget(Section):
    """Of the search phase; whichever of the given limits comes first."""

    networks: Positive | None = None
    gradient_examples: Positive | None = None
    minutes: PositiveNumber | None = None


class Baselines(Section):
    """Each base function alone at each learning rate of the grid, on this many replicates (0: none)."""

    replicates: NotNegative = 1


class Confirm(Section):
    """The best candidates and the best baseline, trained again on fresh seeds (0: none).

    `distinct: structure` takes the best of each structure only: every set of activations once, at the
    learning rate that suits it.
    """

    candidates: NotNegative = 5
    seeds: Positive = 5
    distinct: Literal["candidate", "structure"] = "candidate"


class WarmStart(Section):
    """The search begins with the best `candidates` of an earlier run; `genomes` of a resolved config are those."""

    run: str
    candidates: Positive = 16
    genomes: list[dict[str, Any]] | None = None


class Packs(Section):
    """Networks trained together. `auto` chooses `size` when a run starts, by memory and a short measurement."""

    size: Positive | Literal["auto"] = "auto"
    threads: Positive = 1
    timeout_seconds: PositiveNumber | None = None


class Execution(Section):
    """`table` is the file that the backend of that name looks networks up in, instead of training them.

    Null means: `workers`, as many packs at once as the cluster has room for; `gpus_per_pack`, a share of
    a GPU where the cluster has any. With 0 packs stay on the CPU."""

    backend: Literal["local", "ray_tune", "table"] = "ray_tune"
    table: str | None = None
    workers: Positive | None = None
    cpus_per_pack: PositiveNumber = 1.0
    gpus_per_pack: Annotated[float, Field(ge=0, strict=True, allow_inf_nan=False)] | None = None
    max_failures: NotNegative = 2


class CurveData(Section):
    """A captured curve: its values at the points of its grid."""

    grid: list[float]
    values: list[float]


class Config(Section):
    """A whole experiment. `curves` are the captured curves of a resolved config, by `name@digest`, so that
    it repeats the run without their files and on any machine. `test_splits` says which networks are evaluated on
    the test splits: those of the confirmation, or all, as a table of a whole space needs."""

    name: str = ""
    description: str = ""
    seed: NotNegative = 0
    task: Named
    network: Named
    space: Space
    strategy: Named = Named(name="hybrid")
    warm_start: WarmStart | None = None
    replicates: Annotated[int, Field(gt=0, le=1000, strict=True)] = 10
    training: Training = Training()
    budget: Budget
    baselines: Baselines = Baselines()
    confirm: Confirm = Confirm()
    test_splits: Literal["confirmed", "all"] = "confirmed"
    packs: Packs = Packs()
    execution: Execution = Execution()
    curves: dict[str, CurveData] = {}

    @model_validator(mode="before")
    @classmethod
    def _warm_start_by_name(cls, data: Any) -> Any:
        """`warm_start: RUN_DIR` is short for the section."""
        if isinstance(data, Mapping) and isinstance(data.get("warm_start"), str):
            return {**data, "warm_start": {"run": data["warm_start"]}}
        return data


class Arm(Section):
    """What an arm of a comparison has of its own; what it leaves out is as in the common part.

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
    """What a comparison has beside the keys of an experiment.

    `reference` is the arm that all others are compared with, by default the first; `scaled` the one whose functions
    have trained input and output scale, so that gain can be told from shape; differences within `equivalence`, in
    units of the metric, are taken to make no practical difference (0: none are).
    """

    repeats: Annotated[int, Field(gt=0, le=1000, strict=True)] = 10
    reference: str | None = None
    scaled: str | None = None
    equivalence: Annotated[float, Field(ge=0, strict=True, allow_inf_nan=False)] = 0.0
    learning_rate: Any = None
    arms: Annotated[dict[str, Arm], Field(min_length=2)]
