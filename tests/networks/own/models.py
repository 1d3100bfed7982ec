"""Modules as people write them; tests read this file as somebody's own, and import it, too."""

import torch
import torch.nn.functional as F
from torch import nn


def sequential(width=6):
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(48, width),
        nn.ReLU(),
        nn.Linear(width, width),
        nn.ReLU(inplace=True),
        nn.Linear(width, 3),
    )


class Convolutional(nn.Module):
    """Batch norm, a shared in-place activation, pooling, dropout of channels."""

    def __init__(self, n_outputs):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.norm1, self.norm2 = nn.BatchNorm2d(6), nn.BatchNorm2d(6, affine=False)
        self.act, self.drop, self.head = nn.ReLU(inplace=True), nn.Dropout2d(0.3), nn.Linear(6, n_outputs)

    def forward(self, x):
        h = F.max_pool2d(self.act(self.norm1(self.first(x))), 2)
        return self.head(self.drop(self.act(self.norm2(self.second(h)) + h)).mean((2, 3)))


class Tokens(nn.Module):
    """Attention by PyTorch's own layer and by hand, with dropout in it; a position table as a buffer."""

    def __init__(self, dropout=0.2):
        super().__init__()
        self.embed, self.head = nn.Embedding(2, 8), nn.Linear(8, 3)
        self.layer = nn.TransformerEncoderLayer(8, 2, 12, dropout, "gelu", batch_first=True)
        self.qkv, self.up, self.down = nn.Linear(8, 24), nn.Linear(8, 12), nn.Linear(12, 8)
        self.norm, self.dropout = nn.LayerNorm(8), dropout
        self.register_buffer("positions", torch.linspace(-1, 1, 48)[:, None])

    def forward(self, x):
        h = self.layer(self.embed((x.flatten(1) > 0.5).long()) + self.positions)
        q, k, v = self.qkv(self.norm(h)).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4)
        p = self.dropout if self.training else 0.0
        h = h + F.scaled_dot_product_attention(q, k, v, dropout_p=p).transpose(1, 2).flatten(2)
        return self.head((h + self.down(F.gelu(self.up(h)))).mean(1))


class Noisy(nn.Module):
    """Draws from the global generator, which vmap refuses."""

    def __init__(self):
        super().__init__()
        self.hidden, self.head = nn.Linear(48, 5), nn.Linear(5, 3)

    def forward(self, x):
        h = torch.tanh(self.hidden(x.flatten(1)))
        return self.head(h + 0.1 * torch.randn_like(h) if self.training else h)


class Half(nn.Module):
    """Weights that stay as they are, and the outputs of one column too many."""

    def __init__(self, n_outputs=3):
        super().__init__()
        self.hidden, self.head = nn.Linear(48, 5), nn.Linear(5, n_outputs)
        self.hidden.requires_grad_(False)

    def forward(self, x):
        return self.head(F.relu(self.hidden(x.flatten(1))))


class Counting(Half):
    """Changes a buffer of its own."""

    def __init__(self):
        super().__init__()
        self.register_buffer("passes", torch.zeros(()))

    def forward(self, x):
        self.passes += 1
        return super().forward(x)


_ONE = Half()


def same():
    return _ONE


def unseeded():
    made = Half()
    nn.init.normal_(made.head.weight, generator=torch.Generator().manual_seed(torch.seed() % 2**31))
    return made


def uneven_layers():
    width = int(torch.randint(4, 9, ()))
    return nn.Sequential(nn.Flatten(), nn.Linear(48, width), nn.ReLU(), nn.Linear(width, 3))


def failing():
    raise ValueError("no such weights")


def no_module():
    return 3


def lazy():
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(3), nn.ReLU())


def elsewhere():
    return Half().to("meta")


def without_activation():
    return nn.Sequential(nn.Flatten(), nn.Linear(48, 3))


def without_parameters():
    return nn.Sequential(nn.Flatten(), nn.ReLU())
