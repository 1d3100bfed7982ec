"""Which channels belong together: of sites, of what flows between them, and of the weights that make and take them.

Each channel of a weight has a label of its own, and a run of the network hands labels on: what a product gives has
those of its weight's rows, views move them, sums and products of two tensors make theirs one. What an operation does
that is not in the table is guessed from its shapes; `nn.symmetry` proves what is made of it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

# By dimension, counted from the last: the label of each index, -1 for none.
Labels = dict[int, Tensor]

_MOVES = {
    *("view", "reshape", "flatten", "unflatten", "permute", "transpose", "movedim", "swapaxes", "squeeze", "unsqueeze"),
    *("chunk", "split", "split_with_sizes", "tensor_split", "unbind", "__getitem__", "select", "narrow", "expand"),
    *("expand_as", "view_as", "reshape_as", "repeat", "repeat_interleave", "index_select", "flip", "t", "tile"),
}  # fmt: skip
_TURNS = [Tensor.T.__get__, Tensor.mT.__get__]  # type: ignore[attr-defined]
_REDUCES = {"mean", "sum", "amax", "amin", "max", "min", "logsumexp", "std", "var"}
_CHANNELWISE = {"batch_norm", "instance_norm", "group_norm", "prelu"}
_PRODUCTS = {
    "matmul": 0,
    "__matmul__": 0,
    "mm": 0,
    "bmm": 0,
    "mv": 0,
    "dot": 0,
    "addmm": 1,
    "baddbmm": 1,
    "addmv": 1,
}
_NEW = {"zeros", "ones", "full", "empty", "rand", "randn", "arange"}


class Ties:
    """Labels that are one, and those of the network's own tensors and of its sites."""

    def __init__(self, own: Mapping[str, Tensor]):
        self.count = 0
        self.pairs: list[tuple[Tensor, Tensor]] = []
        self.own = {
            name: {i - t.dim(): self.fresh(size) for i, size in enumerate(t.shape) if size > 1}
            for name, t in own.items()
        }
        self.by_id = {id(t): self.own[name] for name, t in own.items()}
        self.sites: dict[str, Tensor] = {}

    def fresh(self, number: int) -> Tensor:
        """Return so many new labels."""
        self.count += number
        return torch.arange(self.count - number, self.count)

    def unite(self, *labels: Tensor | None) -> Tensor | None:
        """Make the labels of each place one; return them, None where there are none."""
        known = [one for one in labels if one is not None]
        for other in known[1:]:
            if len(other) == len(known[0]) and other is not known[0]:
                both = (known[0] >= 0) & (other >= 0)
                self.pairs.append((known[0][both], other[both]))
        return known[0] if known else None

    def of(self, tensor: Any) -> Labels:
        """Return a tensor's labels."""
        if not isinstance(tensor, Tensor):
            return {}
        return self.by_id.get(id(tensor)) or getattr(tensor, "_evoact_labels", {})

    def give(self, tensor: Any, labels: Mapping[int, Tensor | None]) -> None:
        """Give a result its labels."""
        if isinstance(tensor, Tensor) and id(tensor) not in self.by_id:
            tensor._evoact_labels = {d: one for d, one in labels.items() if one is not None}  # type: ignore[attr-defined]

    def pass_site(self, name: str, x: Tensor, dim: int) -> None:
        """Note what goes into a site, whose labels all its calls share."""
        labels = self.of(x)
        mine = self.unite(self.sites.get(name), labels.get(dim))
        mine = self.fresh(x.shape[dim]) if mine is None else mine
        self.sites[name] = mine
        self.give(x, labels | {dim: mine})

    def classes(self) -> Tensor:
        """Return the class of each label, the least label that is one with it."""
        least = torch.arange(self.count)
        if not self.pairs:
            return least
        a, b = (torch.cat(side) for side in zip(*self.pairs, strict=True))
        while not torch.equal(of_a := least[a], of_b := least[b]):
            lower = torch.minimum(of_a, of_b)
            for higher in (of_a, of_b):
                least.scatter_reduce_(0, higher, lower, "amin")
            while not torch.equal(least, further := least[least]):
                least = further
        return least


class Following(TorchFunctionMode):
    """Hands labels on; dropout is left out, so that runs can be compared."""

    def __init__(self, ties: Ties | None = None):
        super().__init__()
        self.ties = ties

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs, name = dict(kwargs or {}), getattr(func, "__name__", "")
        if "dropout" in name:
            return args[0] if args else kwargs["input"]
        if name == "scaled_dot_product_attention":
            args, kwargs = (
                args[:4],
                {**dict(zip(("dropout_p", "is_causal"), args[4:], strict=False)), **kwargs},
            )
            kwargs["dropout_p"] = 0.0
        if name == "multi_head_attention_forward":
            kwargs["training"] = False
        y = func(*args, **kwargs)
        if self.ties is not None and any(isinstance(leaf, Tensor) for leaf in tree_leaves(y)):
            follow(self.ties, func, name, args, kwargs, y)
        return y


def follow(ties: Ties, func: Any, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], y: Any) -> None:
    """Give the results of a call their labels."""
    given = [*args, *(value for value in kwargs.values() if isinstance(value, Tensor))]
    if name in _MOVES or (name == "__get__" and any(func == turn for turn in _TURNS)):
        _moved(ties, func, args, kwargs, y)
    elif name in ("cat", "concat", "concatenate", "stack"):
        _joined(ties, name, args, kwargs, y)
    elif name == "linear":
        x, weight, *bias = given
        ties.unite(ties.of(x).get(-1), ties.of(weight).get(-1))
        ties.give(y, {-1: ties.unite(ties.of(weight).get(-2), *(ties.of(b).get(-1) for b in bias))})
    elif name.startswith("conv") and name.endswith(("1d", "2d", "3d")):
        _convolved(ties, name, given, y)
    elif name in _PRODUCTS:
        _multiplied(ties, given, _PRODUCTS[name], y)
    elif name == "embedding":
        ties.give(y, {-1: ties.of(given[1]).get(-1)})
    elif name == "scaled_dot_product_attention":
        ties.unite(ties.of(given[0]).get(-1), ties.of(given[1]).get(-1))
        ties.give(y, {-1: ties.of(given[2]).get(-1)})
    elif name == "multi_head_attention_forward":
        ties.unite(ties.of(args[0]).get(-1), ties.of(args[5]).get(-1))
        ties.give(y[0], {-1: ties.unite(ties.of(args[11]).get(-2), ties.of(args[12]).get(-1))})
    elif name in _CHANNELWISE:
        dim, rest = 1 - given[0].dim(), [t for t in given[1:] if isinstance(t, Tensor)]
        ties.give(y, {dim: ties.unite(ties.of(given[0]).get(dim), *(ties.of(t).get(-1) for t in rest))})
    elif name == "einsum":
        _einsum(ties, args, y)
    elif name in _REDUCES:
        _reduced(ties, args, kwargs, y)
    elif not (name in _NEW or name.startswith("new_") or name.endswith("_like")):
        _element_by_element(ties, tree_leaves((args, kwargs)), y)


def _element_by_element(ties: Ties, values: Sequence[Any], y: Any) -> None:
    inputs = [(t, ties.of(t)) for t in values if isinstance(t, Tensor)]
    for leaf in tree_leaves(y):
        if isinstance(leaf, Tensor):
            dims = range(-leaf.dim(), 0)
            same = {
                d: [own.get(d) for t, own in inputs if t.dim() >= -d and t.shape[d] == leaf.shape[d]]
                for d in dims
            }
            ties.give(leaf, {d: ties.unite(*found) for d, found in same.items()})


def _moved(ties: Ties, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], y: Any) -> None:
    """Move labels as the elements are moved."""
    results: list[dict[int, Tensor]] = [{} for _ in tree_leaves(y)]
    for dim, labels in ties.of(args[0]).items():
        shadow = labels.view(-1, *[1] * (-dim - 1)).expand(args[0].shape)
        found = func(shadow, *args[1:], **kwargs)
        for own, leaf in zip(results, tree_leaves(found), strict=True):
            if isinstance(leaf, Tensor):
                own |= _along(leaf)
    for leaf, own in zip(tree_leaves(y), results, strict=True):
        ties.give(leaf, own)


def _along(shadow: Tensor) -> Labels:
    """Return the one dimension along which labels differ, with them; nothing if there are several."""
    for i, size in enumerate(shadow.shape):
        if size > 1:
            line = shadow[tuple(slice(None) if j == i else slice(1) for j in range(shadow.dim()))]
            if torch.equal(line.expand_as(shadow), shadow):
                return {i - shadow.dim(): line.flatten()}
    return {}


def _joined(ties: Ties, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], y: Tensor) -> None:
    tensors = args[0] if args else kwargs["tensors"]
    dim = int(args[1] if len(args) > 1 else kwargs.get("dim", kwargs.get("axis", 0)))
    dim = dim - y.dim() if dim >= 0 else dim
    found: dict[int, Tensor | None] = {}
    for d in range(-y.dim(), 0):
        if name == "stack":
            each = [None if d == dim else ties.of(t).get(d if d > dim else d + 1) for t in tensors]
        else:
            each = [ties.of(t).get(d) for t in tensors]
        if d != dim or name == "stack":
            found[d] = ties.unite(*each)
        elif any(one is not None for one in each):
            none = [torch.full((t.shape[d],), -1) for t in tensors]
            found[d] = torch.cat([n if one is None else one for one, n in zip(each, none, strict=True)])
    ties.give(y, found)


def _convolved(ties: Ties, name: str, given: Sequence[Any], y: Tensor) -> None:
    """Follow a convolution of all channels, or of each alone."""
    x, weight = given[:2]
    bias = [ties.of(t).get(-1) for t in given[2:3]]
    channel, turned, last = -1 - int(name[-2]), "transpose" in name, -weight.dim()
    rows, columns = (last + 1, last) if turned else (last, last + 1)
    own, inputs, size = ties.of(weight), ties.of(x).get(channel), x.shape[channel]
    groups = y.shape[channel] // weight.shape[rows] if turned else size // weight.shape[columns]
    made = own.get(rows)
    if groups == 1:
        ties.unite(inputs, own.get(columns))
    elif groups == size and weight.shape[last + 1] == 1:
        made = own.get(last)
        each = y.shape[channel] // size
        ties.unite(made, None if inputs is None else inputs.repeat_interleave(each))
    if made is not None and len(made) == y.shape[channel]:
        ties.give(y, {channel: ties.unite(made, *bias)})


def _multiplied(ties: Ties, given: Sequence[Any], first: int, y: Tensor) -> None:
    a, b = given[first : first + 2]
    of_a, of_b = ties.of(a), ties.of(b)
    ties.unite(of_a.get(-1), of_b.get(-2 if b.dim() > 1 else -1))
    found: dict[int, Tensor | None] = {}
    if b.dim() > 1:
        found[-1] = of_b.get(-1)
    if a.dim() > 1:
        found[-2 if b.dim() > 1 else -1] = of_a.get(-2)
    if first:
        found[-1] = ties.unite(found[-1], ties.of(given[0]).get(-1))
    ties.give(y, found)


def _reduced(ties: Ties, args: Sequence[Any], kwargs: Mapping[str, Any], y: Any) -> None:
    dims = args[1] if len(args) > 1 else kwargs.get("dim")
    if not (args and isinstance(dims, int | tuple | list)):
        _element_by_element(ties, args, y)
        return
    x, keep = args[0], bool(args[2] if len(args) > 2 else kwargs.get("keepdim", False))
    gone = {d - x.dim() if d >= 0 else d for d in ((dims,) if isinstance(dims, int) else dims)}
    left = {d: labels for d, labels in ties.of(x).items() if d not in gone}
    if not keep:
        left = {d + sum(other > d for other in gone): labels for d, labels in left.items()}
    for leaf in tree_leaves(y):
        ties.give(leaf, left)


def _einsum(ties: Ties, args: Sequence[Any], y: Tensor) -> None:
    """Give each letter one label; nothing for equations with an ellipsis, or without a result."""
    inputs, arrow, result = args[0].replace(" ", "").partition("->")
    tensors = args[1] if isinstance(args[1], list | tuple) else args[1:]
    if not arrow or "." in inputs:
        return
    letters: dict[str, Tensor | None] = {}
    for term, tensor in zip(inputs.split(","), tensors, strict=True):
        for i, letter in enumerate(term):
            letters[letter] = ties.unite(letters.get(letter), ties.of(tensor).get(i - len(term)))
    ties.give(y, {i - len(result): letters.get(letter) for i, letter in enumerate(result)})
