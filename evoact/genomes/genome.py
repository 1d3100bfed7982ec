"""The activations and hyperparameters of a candidate network: plain, immutable data.

A network has activation *sites* (a hidden layer, or the channels of a convolution). A genome gives
each site a few neuron types, one activation per type, and the assignment of its neurons to them.
Neurons of a `free` site are exchangeable, so only the counts per type matter; `canonical` maps all
genomes that describe the same network to one of them, and `structure` and `fingerprint` name it.
"""

import hashlib
import json
import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby, pairwise
from typing import Any

from evoact.errors import UserError, counted, short
from evoact.genomes import activation_json
from evoact.genomes.activation import canonical_activation, is_absent, is_base, type_key
from evoact.genomes.field_options import is_finite
from evoact.genomes.hyperparameters import LEARNING_RATE, OF_NETWORKS
from evoact.genomes.kinds import Activation

SHOWN_RUNS = 6  # of different sites, in a label
# Layers that are called after their place need no name in a label; sites of people's own modules do.
_PLACE = re.compile(r"(?:hidden|conv|fc|stage)\d+(?:\.block\d+\.\w+)?")
MOST_NEURONS = 1_000_000  # of one site
_JSON: Mapping[type, str] = {list: "a list", Mapping: "keys and values", str: "text", int: "an integer"}

# `json.dumps` would make one for every genome.
_compact = json.JSONEncoder(separators=(",", ":"))
_in_order = json.JSONEncoder(separators=(",", ":"), sort_keys=True)


@dataclass(frozen=True, slots=True)
class Site:
    """A place in a network that takes any neuron types.

    `symmetry` is `free` (neurons exchangeable), `none` (every neuron its own) or `stream:ID`
    (exchangeable only together with the same neuron of all other sites of that stream).
    """

    name: str
    neurons: int
    symmetry: str = "free"


@dataclass(frozen=True, slots=True)
class SiteGenome:
    """The types of one site and, for each neuron, the index of its type."""

    site: str
    types: tuple[Activation, ...]
    assignment: tuple[int, ...]

    def counts(self) -> tuple[int, ...]:
        """Return neurons per type, in the order of `types`."""
        # A pass for each type, of which there are few, is faster than a dictionary.
        return tuple([self.assignment.count(index) for index in range(len(self.types))])

    @property
    def label(self) -> str:
        """Its types with their counts, such as `60 relu + 40 sin`."""
        return " + ".join([f"{n} {t.label}" for t, n in zip(self.types, self.counts(), strict=True)])

    def __reduce__(self) -> tuple[Any, ...]:
        # As dataclasses do it with slots, pickling takes twice as long.
        return SiteGenome, (self.site, self.types, self.assignment)


@dataclass(frozen=True, slots=True)
class Genome:
    """Sites in the network's order, and the searched hyperparameters as sorted (name, value) pairs."""

    sites: tuple[SiteGenome, ...]
    hyperparameters: tuple[tuple[str, float], ...] = ()
    # What everybody asks for, once somebody has: to look it up by the genome would hash and compare all its neurons.
    _text: str = field(default="", init=False, repr=False, compare=False)
    _names: tuple[str, str] = field(default=("", ""), init=False, repr=False, compare=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return Genome, (self.sites, self.hyperparameters)

    def hyperparameter(self, name: str) -> float:
        return dict(self.hyperparameters)[name]

    @property
    def settings(self) -> dict[str, float]:
        """The searched hyperparameters without the learning rate."""
        return {name: value for name, value in self.hyperparameters if name != LEARNING_RATE}

    @property
    def optimizer_settings(self) -> dict[str, float]:
        """The arguments of the optimizer for this network alone, without the learning rate."""
        return {name: value for name, value in self.settings.items() if name not in OF_NETWORKS}

    @property
    def heterogeneous(self) -> bool:
        """Whether any layer mixes at least two neuron types; absent neurons are none."""
        for site in self.sites:
            if len(site.types) > 1:
                there = [t for t, n in zip(site.types, site.counts(), strict=True) if n]
                if len(there) - sum(map(is_absent, there)) > 1:
                    return True
        return False

    @property
    def ordinary(self) -> bool:
        """Whether all neurons of all sites have the same base function, as in most networks."""
        types = {t for site in self.sites for t in site.types}
        return len(types) == 1 and all(map(is_base, types))

    @property
    def label(self) -> str:
        """A short description for tables, such as `60 relu + 40 sin | 100 tanh`, with settings of its own at the end.

        Where places do not tell sites apart, as in people's own networks, names do: `act1: 60 relu | act2: 9 sin`.
        Not an identity: of many different sites in a row only the first and the last are shown.

        >>> from evoact.genomes.kinds import Base
        >>> homogeneous(Base("relu"), [Site(f"conv{i}", 16) for i in range(55)]).label
        'relu everywhere (55 sites)'
        """
        return ", ".join([self._activations_label, *(f"{k} {v:g}" for k, v in self.settings.items())])

    @property
    def _activations_label(self) -> str:
        types = [site.types for site in self.sites]
        if len(types) > 1 and len(types[0]) == 1 and types.count(types[0]) == len(types):
            return f"{types[0][0].label} everywhere ({len(types)} sites)"
        labelled = groupby([(site.label, site.site) for site in self.sites], key=operator.itemgetter(0))
        runs = [(label, [name for _, name in same]) for label, same in labelled]
        named = len(self.sites) > 1 and not all(_is_place(site.site) for site in self.sites)
        shown = [_run_label(label, names, named) for label, names in runs]
        if len(runs) > SHOWN_RUNS:
            ends = SHOWN_RUNS // 2
            hidden = sum(len(names) for _, names in runs[ends:-ends])
            shown = [*shown[:ends], f"... {counted(hidden, 'more site')} ...", *shown[-ends:]]
        return " | ".join(shown)


@lru_cache(maxsize=1024)
def _is_place(name: str) -> bool:
    return _PLACE.fullmatch(name) is not None


def _run_label(label: str, sites: Sequence[str], named: bool) -> str:
    """The label that sites in a row have, and, if wanted, which they are."""
    name = "" if not named else f"{sites[0]}: " if len(sites) == 1 else f"{sites[0]} to {sites[-1]}: "
    return name + label + ("" if len(sites) == 1 else f" (at {len(sites)} sites)")


def homogeneous(activation: Activation, sites: Iterable[Site], **hyperparameters: float) -> Genome:
    """Return the ordinary network: one activation everywhere.

    >>> from evoact.genomes.kinds import Base
    >>> homogeneous(Base("relu"), [Site("hidden0", 3)], learning_rate=0.01).label
    '3 relu'
    """
    return Genome(
        tuple(SiteGenome(site.name, (activation,), (0,) * site.neurons) for site in sites),
        tuple(sorted(hyperparameters.items())),
    )


def blocks(neurons: int, types: int) -> list[tuple[int, int]]:
    """Return the first and last neuron (not included) of each type when types share a site as evenly as possible.

    >>> blocks(10, 3)
    [(0, 3), (3, 6), (6, 10)]
    """
    borders = [neurons * i // types for i in range(types + 1)]
    return list(pairwise(borders))


def shared_out(site: Site, types: Sequence[Activation]) -> SiteGenome:
    """Return the site with its neurons in contiguous blocks of these types; equal ones stay apart.

    >>> from evoact.genomes.kinds import Base
    >>> shared_out(Site("hidden0", 10), [Base("relu"), Base("sin")]).label
    '5 relu + 5 sin'
    """
    assignment = [i for i, (a, b) in enumerate(blocks(site.neurons, len(types))) for _ in range(a, b)]
    return SiteGenome(site.name, tuple(types), tuple(assignment))


# --- canonical form -----------------------------------------------------------------------------


def _merge_types(site: SiteGenome) -> SiteGenome:
    """Equal types become one, empty types go, and types stand in a fixed order, absent neurons last."""
    if len(used := set(site.assignment)) < len(site.types):
        kept = sorted(used)
        new = {i: place for place, i in enumerate(kept)}
        types, assignment = tuple([site.types[i] for i in kept]), tuple([new[i] for i in site.assignment])
        site = SiteGenome(site.site, types, assignment)
    types, places = _ordered(site.types)
    if places:
        return SiteGenome(site.site, types, tuple(map(places.__getitem__, site.assignment)))
    return site if types is site.types else SiteGenome(site.site, types, site.assignment)


@lru_cache(maxsize=4096)
def _ordered(types: tuple[Activation, ...]) -> tuple[tuple[Activation, ...], tuple[int, ...]]:
    """Different types in canonical spelling and order, and the place of each given one among them if it is not its own.

    Canonical genomes share these objects, which are then compared and pickled as one.
    """
    spelled = tuple(map(canonical_activation, types))
    ordered = tuple(sorted(dict.fromkeys(spelled), key=type_key))
    places = tuple(map(ordered.index, spelled))
    if ordered == types:
        return ordered, ()
    return _ordered(ordered)[0], places if places != tuple(range(len(types))) else ()


def canonical(genome: Genome, sites: Iterable[Site]) -> Genome:
    """Return the one representative of all genomes that describe the same network up to neuron order.

    What is canonical already is returned itself, a genome or sites of it, not copies.

    >>> from evoact.genomes.kinds import Base
    >>> site = Site("hidden0", 3)
    >>> raw = SiteGenome("hidden0", (Base("tanh"), Base("relu")), (0, 1, 0))
    >>> canonical(Genome((raw,)), [site]).label
    '1 relu + 2 tanh'
    """
    symmetry = {site.name: site.symmetry for site in sites}
    merged = [_merge_types(site) for site in genome.sites]
    order: dict[str, list[int]] = {}
    for group in {symmetry[s.site] for s in merged} - {"free", "none"}:  # streams
        tied = [s for s in merged if symmetry[s.site] == group]
        if len({len(s.assignment) for s in tied}) > 1:
            widths = ", ".join(f"{s.site} {len(s.assignment)}" for s in tied)
            raise UserError(f"expected the sites of {group} to be equally wide, got {widths}")
        rows = list(zip(*(s.assignment for s in tied), strict=True))
        order[group] = sorted(range(len(rows)), key=lambda i: rows[i])
    result = []
    for s in merged:
        group = symmetry[s.site]
        if group == "free":
            if (assignment := tuple(sorted(s.assignment))) != s.assignment:
                s = SiteGenome(s.site, s.types, assignment)
        elif group in order:
            s = SiteGenome(s.site, s.types, tuple([s.assignment[i] for i in order[group]]))
        result.append(s)
    settings = _canonical_settings(genome.hyperparameters)
    same = settings is genome.hyperparameters and all(map(operator.is_, result, genome.sites))
    return genome if same else Genome(tuple(result), settings)


def _canonical_settings(given: tuple[tuple[str, float], ...]) -> tuple[tuple[str, float], ...]:
    """In order, and float: a learning rate of 1 and one of 1.0 are equal, and must look equal as text too."""
    settings = tuple(sorted([(name, float(value)) for name, value in given]))
    return given if settings == given and all(type(value) is float for _, value in given) else settings


def shared(genome: Genome) -> Genome:
    """Return a canonical genome that was read, made of the objects that canonical genomes share."""
    return Genome(tuple(map(_merge_types, genome.sites)), genome.hyperparameters)


def structure(genome: Genome) -> str:
    """Return a 16-digit hash of the canonical activations alone, without hyperparameters."""
    return _named(genome)[0]


def fingerprint(genome: Genome) -> str:
    """Return a 16-digit hash of the canonical activations and the hyperparameters."""
    return _named(genome)[1]


def _named(genome: Genome) -> tuple[str, str]:
    """Structure and fingerprint: who wants one, nearly always wants the other, too."""
    if not genome._names[0]:
        # The digest of `to_json`, whose sites, nearly all of its text, are encoded once.
        sites, settings = _sites_text(genome, _in_order), _settings_text(sorted(genome.hyperparameters))
        names = _hash(sites), _hash(f'{{"hyperparameters":{settings},"sites":{sites}}}')
        object.__setattr__(genome, "_names", names)
    return genome._names


def digest(value: Any) -> str:
    """Return 16 hexadecimal digits that stand for plain data."""
    return _hash(_in_order.encode(value))


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


# --- JSON ---------------------------------------------------------------------------------------


def to_json(genome: Genome) -> dict[str, Any]:
    """Return the genome as JSON data: `count` if a type's neurons are one block, else `neurons`.

    >>> from evoact.genomes.kinds import Base
    >>> to_json(homogeneous(Base("relu"), [Site("hidden0", 3)]))["sites"]
    [{'site': 'hidden0', 'types': [{'kind': 'base', 'name': 'relu', 'count': 3}]}]
    """
    sites = [
        {
            "site": site.site,
            "types": [
                activation_json.to_json(t) | {key: place}
                for key, places in [_places(site)]
                for t, place in zip(site.types, places, strict=True)
            ],
        }
        for site in genome.sites
    ]
    return {"sites": sites, "hyperparameters": dict(genome.hyperparameters)}


def _places(site: SiteGenome) -> tuple[str, Sequence[Any]]:
    """Where the neurons of each type are, and the key of that."""
    counts = site.counts()
    if 0 not in counts and list(site.assignment) == sorted(site.assignment):
        return "count", counts
    return "neurons", [[n for n, t in enumerate(site.assignment) if t == i] for i in range(len(site.types))]


def _sites_text(genome: Genome, encoder: json.JSONEncoder) -> str:
    """The sites of `to_json` as text, put together from that of their types, of which there are few different ones."""
    sites = []
    for site in genome.sites:
        key, places = _places(site)
        types = []
        for activation, place in zip(site.types, places, strict=True):
            before, after = _type_text(activation, key, encoder)
            types.append(f"{before}{place if key == 'count' else encoder.encode(place)}{after}")
        sites.append(f'{{"site":{_encoded(site.site)},"types":[{",".join(types)}]}}')
    return f"[{','.join(sites)}]"


def _settings_text(settings: Iterable[tuple[str, float]]) -> str:
    """The hyperparameters of `to_json` as text, as an encoder writes them, which takes ten times as long."""
    return f"{{{','.join([f'{_encoded(name)}:{_number_text(value)}' for name, value in settings])}}}"


def _number_text(value: float) -> str:
    return float.__repr__(value) if isinstance(value, float) and is_finite(value) else _compact.encode(value)


@lru_cache(maxsize=8192)
def _type_text(activation: Activation, key: str, encoder: json.JSONEncoder) -> tuple[str, str]:
    """The text of a type before and after the value of this key."""
    mark = f'"{key}":null'  # nowhere else: within a text its quotes would be escaped
    before, _, after = encoder.encode(activation_json.to_json(activation) | {key: None}).partition(mark)
    return f'{before}"{key}":', after


_encoded = lru_cache(maxsize=1024)(_compact.encode)


def from_json(data: Mapping[str, Any]) -> Genome:
    """Return the inverse of `to_json`.

    Raises:
        UserError: if it has another shape, a neuron is assigned twice or not at all, or a kind is unknown.
    """
    sites = tuple(_site_from_json(entry) for entry in _member(data, "sites", list))
    hyperparameters = _member(data, "hyperparameters", Mapping)
    for name, value in hyperparameters.items():
        if not isinstance(name, str) or not is_finite(value):
            raise UserError(f"expected a finite number as a genome's {short(name)}, got {short(value)}")
    return Genome(sites, tuple(sorted((k, float(v)) for k, v in hyperparameters.items())))


def _site_from_json(entry: Any) -> SiteGenome:
    name, entries = _member(entry, "site", str), _member(entry, "types", list)
    types = tuple(map(activation_json.from_json, entries))
    owners: dict[int, int] = {}
    start = 0
    for index, t in enumerate(entries):
        if "neurons" in t:
            neurons: Iterable[int] = _member(t, "neurons", list)
        else:
            count = _member(t, "count", int)
            if count < 0 or start + count > MOST_NEURONS:
                raise UserError(
                    f"expected from 0 to {MOST_NEURONS:,} neurons at site {name!r}, got {short(count)}"
                )
            neurons = range(start, start + count)
            start += count
        for n in neurons:
            if type(n) is not int or n in owners:
                got = f"neuron {n} in two types" if type(n) is int else short(n)
                raise UserError(f"expected each neuron of site {name!r} once, got {got}")
            owners[n] = index
    missing = [n for n in range(len(owners)) if n not in owners]
    if missing:
        raise UserError(
            f"expected every neuron of site {name!r} to have a type, got none for neuron {missing[0]}"
        )
    return SiteGenome(name, types, tuple(owners[n] for n in range(len(owners))))


def _member(data: Any, key: str, expected: type) -> Any:
    """Return the value under a key of a genome's JSON.

    Raises:
        UserError: if that is not there or of another type.
    """
    value = data.get(key) if isinstance(data, Mapping) else None
    if not isinstance(value, expected) or isinstance(value, bool):
        raise UserError(f"expected {_JSON[expected]} as {key!r} of a genome, got {short(data)}")
    return value


def dumps(genome: Genome) -> str:
    """Return compact JSON text, as it stands in the leaderboard's `genome` column."""
    if not genome._text:
        settings = _settings_text(genome.hyperparameters)
        text = f'{{"sites":{_sites_text(genome, _compact)},"hyperparameters":{settings}}}'
        object.__setattr__(genome, "_text", text)
    return genome._text


def loads(text: str) -> Genome:
    """Return the inverse of `dumps`.

    Raises:
        UserError: if the text is no JSON, or not that of a genome.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"expected a genome as JSON, got {short(text)}: {error}") from None
    return from_json(data)
