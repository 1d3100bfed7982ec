"""Transformer encoders: of images by patches (Dosovitskiy et al. 2021), of sequences, or of tokens."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evoact.errors import UserError
from evoact.networks.layers import check_dropout
from evoact.networks.modules.named_modules import module_network
from evoact.networks.own.module_network import ModuleNetwork

RATIO = 4  # of an MLP's width to that of tokens (Vaswani et al. 2017, section 3.3)


class Block(nn.Module):
    """Attention and an MLP, each behind a layer norm; a gated MLP multiplies what its activation gives by a second
    product (Shazeer 2020, equation 6), with two thirds of the width, so that it has as many weights."""

    def __init__(self, dim: int, heads: int, gated: bool, dropout: float):
        super().__init__()
        self.heads, self.rate = heads, dropout
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        hidden = 2 * RATIO * dim // 3 if gated else RATIO * dim
        self.up, self.down = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        self.gate = nn.Linear(dim, hidden) if gated else None
        self.act = nn.SiLU() if gated else nn.GELU()
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        h = F.scaled_dot_product_attention(q, k, v, dropout_p=self.rate if self.training else 0.0)
        x = x + self.dropout(self.out(h.transpose(1, 2).flatten(2)))
        h = self.norm2(x)
        h = self.act(self.up(h)) if self.gate is None else self.act(self.gate(h)) * self.up(h)
        return x + self.dropout(self.down(h))


class Transformer(nn.Module):
    """An embedding with learned positions, blocks, the mean over positions, a linear layer."""

    def __init__(
        self,
        input_shape: Sequence[int],
        n_outputs: int,
        dim: int,
        depth: int,
        heads: int,
        patch: int,
        tokens: int,
        gated: bool,
        dropout: float,
    ):
        super().__init__()
        self.embed: nn.Module
        if tokens:
            self.embed, length = nn.Embedding(tokens, dim), input_shape[0]
        elif len(input_shape) == 3:
            self.embed = nn.Conv2d(input_shape[0], dim, patch, patch)
            length = (input_shape[1] // patch) * (input_shape[2] // patch)
        else:
            self.embed, length = nn.Linear(input_shape[1], dim), input_shape[0]
        self.tokens = tokens
        self.positions = nn.Parameter(0.02 * torch.randn(1, length, dim))
        self.blocks = nn.Sequential(*(Block(dim, heads, gated, dropout) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(dim), nn.Linear(dim, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        h = self.embed(x.long() if self.tokens else x)
        if h.dim() == 4:
            h = h.flatten(2).transpose(1, 2)
        y: Tensor = self.head(self.norm(self.blocks(h + self.positions)).mean(1))
        return y


def transformer(
    input_shape: tuple[int, ...],
    n_outputs: int,
    dim: int = 64,
    depth: int = 4,
    heads: int = 4,
    patch: int = 4,
    tokens: int = 0,
    gated: bool = False,
    dropout: float = 0.0,
) -> ModuleNetwork:
    """Return a pre-norm encoder of `depth` blocks of width `dim`.

    Images [channels, height, width] are cut into patches of `patch` pixels, sequences [times, features] taken as they
    are; with `tokens`, the size of a vocabulary, inputs are [times] of whole numbers below it. `gated` MLPs have a SiLU
    gate as their site, others GELU.

    Raises:
        UserError: for inputs of another shape, or numbers that do not fit together.

    >>> [(s.name, s.neurons) for s in transformer((1, 8, 8), 3, dim=8, depth=1, heads=2).sites]
    [('blocks.0.act', 32)]
    """
    check_dropout(dropout)
    if min(dim, depth, heads, patch) < 1 or dim % heads or tokens < 0:
        raise UserError(
            "expected network.depth, heads and patch of at least 1, and dim a multiple of heads, got "
            f"depth {depth}, heads {heads}, patch {patch}, dim {dim}"
        )
    if len(input_shape) not in ((1,) if tokens else (2, 3)):
        raise UserError(
            "expected images [channels, height, width], sequences [times, features], or, with network.tokens, [times] "
            f"for network 'transformer', got the input shape {list(input_shape)}"
        )
    if len(input_shape) == 3 and min(input_shape[1:]) < patch:
        raise UserError(
            f"expected network.patch of at most {min(input_shape[1:])}, the image's size, got {patch}"
        )
    return module_network(
        Transformer,
        "transformer",
        input_shape,
        n_outputs,
        symmetries=(("*", "free"),),
        dim=dim,
        depth=depth,
        heads=heads,
        patch=patch,
        tokens=tokens,
        gated=gated,
        dropout=dropout,
    )
