"""What a member's forward asks of the whole pack: its sites, batch norms, dropout, and products with its weights.

Products go member by member, as in the built-in networks (`networks.layers`): what a library chooses by the number of
members would round differently with it.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from evoact.networks.attention import attention
from evoact.networks.own.whole_pack import now, of_whole_pack
from evoact.networks.precision import multiplied


class PackSite(nn.Module):
    """A site of a network whose mixture is the forward pass's; `dim` holds the neurons, counted from the last."""

    def __init__(self, name: str, dim: int):
        super().__init__()
        self.name, self.dim = name, dim

    def forward(self, x: Tensor) -> Tensor:
        if (
            now.seen is not None
            and self.dim == -1
            and (weight := getattr(x, "_evoact_weight", None)) is not None
        ):
            now.seen.append(weight)
        return of_whole_pack(self._activate, x)

    def _activate(self, z: Tensor) -> Tensor:
        assert now.layers is not None
        rows = z.movedim(self.dim, 1)
        y = now.layers.activate(self.name, rows.reshape(*rows.shape[:2], -1))
        return y.view(rows.shape).movedim(1, self.dim)


class PackNorm:
    """The forward of a batch norm, in the place of the module's own."""

    def __init__(self, owner: Any, name: str):
        self.owner, self.name = owner, name

    def __call__(self, x: Tensor) -> Tensor:
        if now.layers is None:
            return type(self.owner).forward(self.owner, x)
        self.owner._check_input_dim(x)
        channels = x.new_empty(x.shape[1])
        scale = channels.fill_(1) if self.owner.weight is None else self.owner.weight
        shift = torch.zeros_like(channels) if self.owner.bias is None else self.owner.bias
        return of_whole_pack(self._normalise, x, scale, shift)

    def _normalise(self, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        assert now.layers is not None
        rows = x.movedim(2, 1)
        h = rows.reshape(*rows.shape[:2], -1)
        return (
            now.layers.batch_norm(self.name, h, scale, shift, self.owner.eps).view(rows.shape).movedim(1, 2)
        )


# --- functions ------------------------------------------------------------------------------------------


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return the product neuron by neuron in memory where it goes straight to a site, which wants it so."""
    into_site = id(weight) in now.into_sites

    def product(x: Tensor, weight: Tensor, *bias: Tensor) -> Tensor:
        rows = x.reshape(len(x), -1, x.shape[-1])
        columns = rows.transpose(1, 2)
        if not into_site and not columns.is_contiguous():
            turned = weight.transpose(1, 2)
            y = torch.baddbmm(bias[0][:, None], rows, turned) if bias else torch.bmm(rows, turned)
            return y.view(*x.shape[:-1], -1)
        y = torch.baddbmm(bias[0][:, :, None], weight, columns) if bias else torch.bmm(weight, columns)
        y = y.transpose(1, 2)
        return (y if into_site else y.contiguous()).view(*x.shape[:-1], -1)

    y = of_whole_pack(_in_precision(product), input, weight, *(() if bias is None else (bias,)))
    if now.seen is not None:
        y._evoact_weight = weight  # type: ignore[attr-defined]
    return y


def _in_precision(work: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return work on an input, a weight and perhaps a bias in the forward pass's precision, with the result in the
    input's."""

    def computed(x: Tensor, *others: Tensor) -> Tensor:
        precision = "float32" if now.layers is None else now.layers.precision
        return multiplied(work, precision, x, *others)

    return computed


def _by_member(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return a function of (input, weight, bias or None, ...) that is computed member after member."""

    def computed(
        input: Tensor, weight: Tensor, bias: Tensor | None = None, *rest: Any, **named: Any
    ) -> Tensor:
        def work(*tensors: Tensor) -> Tensor:
            each = zip(*(t.unbind() for t in tensors), strict=True)
            return torch.stack([function(x, w, b[0] if b else None, *rest, **named) for x, w, *b in each])

        return of_whole_pack(_in_precision(work), input, weight, *(() if bias is None else (bias,)))

    return computed


def _embedding(input: Tensor, weight: Tensor, *rest: Any, **named: Any) -> Tensor:
    def work(input: Tensor, weight: Tensor) -> Tensor:
        each = zip(input.unbind(), weight.unbind(), strict=True)
        return torch.stack([F.embedding(x, w, *rest, **named) for x, w in each])

    return of_whole_pack(work, input, weight)


def _layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    def work(x: Tensor, *affine: Tensor) -> Tensor:
        h = F.layer_norm(x, normalized_shape, eps=eps)
        if not affine:
            return h
        scale, *shift = (a.view(len(a), *[1] * (x.dim() - a.dim()), *a.shape[1:]) for a in affine)
        return torch.addcmul(shift[0], h, scale) if shift else h * scale

    return of_whole_pack(work, input, *(t for t in (weight, bias) if t is not None))


def _drop(h: Tensor, rate: float) -> Tensor:
    assert now.layers is not None
    return now.layers.dropout(h.reshape(len(h), 1, -1), rate).view(h.shape)


def _dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    return of_whole_pack(partial(_drop, rate=p), input) if training and p else input


def _channel_dropout(dimensions: int) -> Callable[..., Tensor]:
    """Return dropout of whole channels, of inputs with so many dimensions behind them (Tompson et al. 2015)."""

    def dropped(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        if not (training and p):
            return input
        first: Any = (..., *[slice(1)] * dimensions)
        ones = torch.ones_like(input[first])
        return input * of_whole_pack(partial(_drop, rate=p), ones)

    return dropped


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    if dropout_p:
        return _attention_with_dropout(query, key, value, attn_mask, dropout_p, is_causal, scale)

    if attn_mask is not None or enable_gqa:
        attend: Callable[..., Tensor] = partial(
            F.scaled_dot_product_attention, is_causal=is_causal, scale=scale, enable_gqa=enable_gqa
        )
        return _attention_by_member(query, key, value, attn_mask, attend)
    return of_whole_pack(partial(attention, scale=scale, causal=is_causal), query, key, value)


def _attention_by_member(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, attend: Callable[..., Tensor]
) -> Tensor:
    def work(*tensors: Tensor) -> Tensor:
        return torch.stack([attend(*each) for each in zip(*(t.unbind() for t in tensors), strict=True)])

    return of_whole_pack(work, query, key, value, *(() if mask is None else (mask,)))


def _attention_with_dropout(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    rate: float,
    causal: bool,
    scale: float | None,
) -> Tensor:
    """Return attention written out (Vaswani et al. 2017, equation 1), with dropout of its weights."""
    scores = query @ key.transpose(-2, -1) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if causal:
        ahead = scores.new_ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        scores = scores.masked_fill(ahead, -torch.inf)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    return _dropout(scores.softmax(-1), rate) @ value


def _calling(function: Callable[..., Any], **others: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function in Python that calls others by these names."""
    code, named = function.__code__, function.__globals__ | others
    made = FunctionType(code, named, function.__name__, function.__defaults__, function.__closure__)
    made.__kwdefaults__ = function.__kwdefaults__
    return made


_F: Any = F
_multi_head_attention = _calling(
    F.multi_head_attention_forward,
    has_torch_function=lambda tensors: False,
    linear=_linear,
    dropout=_dropout,
    scaled_dot_product_attention=_attention,
    _in_projection=_calling(_F._in_projection, linear=_linear),
    _in_projection_packed=_calling(_F._in_projection_packed, linear=_linear),
)

OF_WHOLE_PACK: Mapping[Any, Callable[..., Tensor]] = {
    F.linear: _linear,
    F.embedding: _embedding,
    F.layer_norm: _layer_norm,
    **{f: _by_member(f) for f in (torch.conv1d, torch.conv2d, torch.conv3d)},
    **{f: _by_member(f) for f in (torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d)},
    F.dropout: _dropout,
    F.dropout1d: _channel_dropout(1),
    F.dropout2d: _channel_dropout(2),
    F.dropout3d: _channel_dropout(3),
    F.scaled_dot_product_attention: _attention,
    F.multi_head_attention_forward: _multi_head_attention,
}


class OfWholePack(TorchFunctionMode):
    """Hands the functions of the table over to the whole pack."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return OF_WHOLE_PACK.get(func, func)(*args, **(kwargs or {}))
