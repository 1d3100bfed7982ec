"""Anybody's network with every activation call as a site, and back."""

import copy
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only

from evoact.errors import UserError, shortened
from evoact.nn.calls import Where, Wrapped, unwrap
from evoact.nn.checks import check
from evoact.nn.found import GATE, SIGMOID
from evoact.nn.recording import Seen, record
from evoact.nn.sites import Shared, Site
from evoact.nn.symmetry import Exchangeable, exchangeable

# What PyTorch computes in one operation in inference, which would pass the sites by: the setting, and its value for no.
_FUSED: Mapping[type[nn.Module], tuple[str, Any]] = {
    nn.TransformerEncoderLayer: ("activation_relu_or_gelu", 0),
    nn.TransformerEncoder: ("use_nested_tensor", False),
}


@dataclass(frozen=True)
class Call:
    """An activation call of a network: where it stands, what was found, which dimension (from the last) holds the
    neurons, how many they are, and why it is no site (empty if it is one). `function` is the base function that it
    computes, if one does. A result that `gates` multiplies another tensor.

    `symmetry` is `free` if its neurons are exchangeable, so that only counts of types matter, `stream:ID` if they are
    together with those of all sites of the same ID, as on a residual stream, and `none` where neither was proven.
    """

    name: str
    line: str
    found: str
    function: str
    dim: int
    width: int
    gates: bool = False
    symmetry: str = "none"
    reason: str = ""


class Calls(tuple[Call, ...]):
    """All activation calls in the order of the network's run; printed as a table.

    `exchangeable` says of the sites that are not `none` which weights change places with their neurons.
    """

    exchangeable: tuple[Exchangeable, ...] = ()

    @property
    def sites(self) -> tuple[Call, ...]:
        return tuple(call for call in self if not call.reason)

    def __str__(self) -> str:
        rows = [("site", "line", "found", "dim", "width", "symmetry")]
        rows += [
            (
                c.name,
                c.line,
                c.found,
                str(c.dim),
                str(c.width),
                f"not replaced: {c.reason}" if c.reason else c.symmetry,
            )
            for c in self
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def heterogenize(
    model: nn.Module, example: Any, sites: Sequence[str] = (), symmetry: bool = True
) -> tuple[nn.Module, Calls]:
    """Make a copy of a network in which every activation call is a site, and the table of its calls.

    Each site computes what was called there, bit by bit, until it is given a mixture, as by
    `activation_sites(copy)[name].mix("40 sin + 24 relu")`. Weights keep their names in the state. The network is run
    once on the example, in the mode in which it is; calls in branches that this run does not take stay as they are.

    Args:
        model: any module in Python
        example: an input that it takes, a tuple of its arguments, or a mapping of them by name
        sites: functions that are sites on request alone, of `sigmoid` and `tanh` (which is one by itself where no
            sigmoid is beside it)
        symmetry: whether to find out which neurons are exchangeable, which takes about ten runs a site

    Raises:
        UserError: if it calls no activation, the example does not fit, or the module is wrapped, scripted, lazily
            initialised, quantised or converted already.

    >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> mixed, calls = heterogenize(net, torch.ones(1, 2))
    >>> [(call.name, call.found, call.dim, call.width) for call in calls]
    [('1', 'nn.ReLU()', -1, 3)]
    >>> activation_sites(mixed)["1"].mix("2 relu + 1 sin").mixture
    MixedActivation(2 relu + 1 sin)
    """
    check(model, example, sites)
    args, kwargs = _arguments(example)
    made = copy.deepcopy(model)
    for layer in made.modules():
        for cls, (name, off) in _FUSED.items():
            if isinstance(layer, cls):
                layer.__dict__["_evoact_before"] = getattr(layer, name)
                setattr(layer, name, off)
    buffers = {name: b.clone() for name, b in made.named_buffers()}
    before, seen = _run(made, args, kwargs, recording=True)
    _restore(made, buffers)
    calls = Calls(_build(made, _places(seen), sites))
    if not calls.sites:
        raise UserError(
            f"expected a network that calls an activation on this example, got none in {type(model).__name__}"
            + "".join(f"; {c.name} {c.reason}" for c in calls[:1])
        )
    after, _ = _run(made, args, kwargs, recording=False)
    _restore(made, buffers)
    _compare(before, after)
    return made, with_symmetry(calls, made, model, example) if symmetry else calls


def homogenize(model: nn.Module) -> nn.Module:
    """Make a copy of a network from `heterogenize` with the activations that were found in it, and no sites.

    Raises:
        UserError: if it has no sites.
    """
    if not any(isinstance(m, Site | Shared) for m in model.modules()):
        raise UserError(f"expected a network from heterogenize, got {type(model).__name__} without sites")
    made = copy.deepcopy(model)
    for module in list(made.modules()):
        unwrap(module)
        for name, child in list(module._modules.items()):
            if isinstance(child, Site | Shared):
                if child.original is None:
                    del module._modules[name]
                else:
                    module._modules[name] = child.original
    for layer in made.modules():
        for cls, (name, _) in _FUSED.items():
            if isinstance(layer, cls):
                setattr(layer, name, layer.__dict__.pop("_evoact_before"))
    return made


def activation_sites(model: nn.Module) -> dict[str, Site]:
    """Return the sites of a network from `heterogenize` by name."""
    return {name: module for name, module in model.named_modules() if isinstance(module, Site)}


# --- building ---------------------------------------------------------------------------------------


def _places(seen: Sequence[Seen]) -> list[Seen]:
    """Return the first call at each place: a module that is computed several times passes by the same ones."""
    first: dict[tuple[str, Where, int, int], Seen] = {}
    for call in seen:
        known = first.setdefault((call.owner, call.where, call.number, id(call.unit)), call)
        known.in_place |= call.in_place
        known.gates |= call.gates
        if call.shape[call.dim :][:1] != known.shape[known.dim :][:1]:
            known.never = "is of several widths, one each time that its module is computed"
    return [*first.values()]


def _build(model: nn.Module, seen: Sequence[Seen], sites: Sequence[str]) -> Iterator[Call]:
    """Make sites of the calls, in place."""
    modules = dict(model.named_modules())
    often = Counter(id(call.unit) for call in seen if call.unit is not None)
    with_sigmoid = {call.owner for call in seen if call.function in ("sigmoid", "Sigmoid")}
    wanted: dict[str, dict[tuple[Where, int], str]] = defaultdict(dict)
    shared: dict[int, Shared] = {}
    for call in seen:
        reason = _reason(call, modules[call.owner], sites, with_sigmoid)
        owner = modules[call.owner]
        name = _qualified(call.owner, call.function)
        if not reason:
            site = Site(call.base or call.found, call.dim, call.shape[call.dim], call.in_place)
            if call.unit is None:
                attribute = _free(owner, call.function)
                owner.add_module(attribute, site)
                wanted[call.owner][call.where, call.number] = attribute
            elif often[id(call.unit)] == 1:
                site.original = call.unit
                _replace(model, call.unit, site)
            else:
                one = shared.setdefault(id(call.unit), Shared(call.unit))
                one.places[call.owner, call.where, call.number] = len(one.sites)
                one.sites.append(site)
                wanted[call.owner]
                _replace(model, call.unit, one)
            site.train(owner.training)
            name = next(n for n, m in model.named_modules() if m is site)
        yield Call(
            name,
            call.line,
            call.found,
            call.base,
            call.dim,
            call.shape[call.dim] if call.shape else 1,
            call.gates,
            reason=reason,
        )
    for name, by_place in wanted.items():
        modules[name].__dict__["forward"] = Wrapped(modules[name], name, by_place)


def _reason(call: Seen, owner: nn.Module, sites: Sequence[str], with_sigmoid: set[str]) -> str:
    """Return why a call is no site; empty if it is one."""
    if call.never:
        return call.never
    if not call.shape:
        return "is of a single number"
    base = call.base or call.function
    if base == "sigmoid" and "sigmoid" not in sites:
        return SIGMOID
    if base == "tanh" and "tanh" not in sites and call.owner in with_sigmoid:
        return GATE.format(owner=call.owner or type(owner).__name__)
    if call.unit is None and isinstance(owner, nn.Sequential):
        return "is called by a kind of Sequential, whose parts are its layers"
    return ""


def _replace(model: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Put a module in another's place, wherever that is."""
    for parent in list(model.modules()):
        if not isinstance(parent, Site | Shared):
            for name, child in parent._modules.items():
                if child is old:
                    parent._modules[name] = new


def _free(owner: nn.Module, name: str) -> str:
    """Return an attribute's name that the module does not have yet."""
    number = 0
    while hasattr(owner, f"{name}_site{number}"):
        number += 1
    return f"{name}_site{number}"


def _qualified(owner: str, name: str) -> str:
    return f"{owner}.{name}" if owner else name


# --- runs and checks --------------------------------------------------------------------------------


def _run(
    model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], recording: bool
) -> tuple[Any, list[Seen]]:
    """Return the outputs, the same for the same random numbers."""
    devices = [p.device for p in model.parameters() if p.device.type == "cuda"][:1]
    with torch.no_grad(), torch.random.fork_rng(devices):
        torch.manual_seed(0)
        args, kwargs = copy.deepcopy((args, kwargs))  # an in-place activation may write into them
        try:
            return record(model, args, kwargs) if recording else (model(*args, **kwargs), [])
        except Exception as error:  # whatever anybody's network raises
            shapes = [list(t.shape) for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
            first = shortened(str(error).strip().splitlines()[0] if str(error).strip() else repr(error), 300)
            raise UserError(
                f"expected an example that {type(model).__name__} takes, got shapes {shapes}: {first}"
            ) from error


def _restore(model: nn.Module, buffers: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            if name in buffers:
                buffer.copy_(buffers[name])


def _compare(before: Any, after: Any) -> None:
    pairs = zip(tree_leaves(before), tree_leaves(after), strict=True)
    if not all(
        torch.equal(a, b) or torch.allclose(a, b, 1e-6, 1e-6, True) for a, b in pairs if isinstance(a, Tensor)
    ):
        raise UserError(
            "expected the same outputs with sites as without, got others; a network that computes something else each "
            "time, even from the same random numbers, cannot be converted"
        )


def with_symmetry(calls: Calls, made: nn.Module, model: nn.Module, example: Any) -> Calls:
    """Return the calls with the symmetry of sites, which runs of the network show.

    Args:
        calls: of `made`
        made: a network with sites, which is as before in the end
        model: the network that it was made of
        example: as `heterogenize` takes it
    """
    inputs = _arguments(example)

    def run(network: nn.Module, double: bool) -> Any:
        args, kwargs = tree_map_only(_floating, Tensor.double, inputs) if double else inputs
        return _run(network, args, kwargs, recording=False)[0]

    buffers = {name: b.clone() for name, b in made.named_buffers()}
    found = exchangeable(made, model, run)
    _restore(made, buffers)
    known = {site: group.symmetry for group in found for site in group.sites}
    named = Calls(replace(call, symmetry=known.get(call.name, "none")) for call in calls)
    named.exchangeable = found
    return named


def _floating(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def _arguments(example: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(example, Mapping):
        return (), dict(example)
    return (tuple(example), {}) if isinstance(example, list | tuple) else ((example,), {})
