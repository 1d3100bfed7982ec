"""Small networks as people write them."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width, relu):
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = relu

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += x
        return self.relu(y)


class ResNet(nn.Module):
    """One in-place ReLU is shared by everything."""

    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU(inplace=True)
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.blocks = nn.Sequential(*(Block(8, self.relu) for _ in range(2)))
        self.fc = nn.Linear(8, 4)

    def forward(self, x):
        x = self.blocks(self.relu(self.stem(x)))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Inception(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3)
        self.branches = nn.ModuleList([nn.Conv2d(6, 4, k, padding=k // 2) for k in (1, 3, 5)])
        self.fc = nn.Linear(12, 4)

    def forward(self, x):
        x = F.relu(self.stem(x), inplace=True)
        x = torch.cat([torch.relu(branch(x)) for branch in self.branches], 1)
        return F.log_softmax(self.fc(x.mean((2, 3))), dim=1)


class ViTBlock(nn.Module):
    def __init__(self, dim, act):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), act, nn.Linear(2 * dim, dim))

    def forward(self, x):
        q, k, v = self.qkv(self.norm1(x)).chunk(3, -1)
        x = x + self.proj(torch.softmax(q @ k.transpose(1, 2) / math.sqrt(q.shape[-1]), -1) @ v)
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    """The two formulas of GELU, one in each block."""

    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, 4)
        self.blocks = nn.ModuleList([ViTBlock(8, nn.GELU()), ViTBlock(8, nn.GELU(approximate="tanh"))])
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        return {"logits": self.head(x.mean(1)), "tokens": x}


class NewGELU(nn.Module):
    """The tanh formula written out."""

    def forward(self, x):
        return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


ACT2FN = {"silu": nn.SiLU, "gelu_new": NewGELU}


class GatedMLP(nn.Module):
    def __init__(self, act="silu"):
        super().__init__()
        self.gate, self.up, self.down = nn.Linear(6, 10), nn.Linear(6, 10), nn.Linear(10, 6)
        self.act_fn = ACT2FN[act]()

    def forward(self, x):
        return self.down(self.act_fn(self.gate(x)) * self.up(x))


class GRU(nn.Module):
    """Written out, as many steps as the input has; a head that is tanh."""

    def __init__(self):
        super().__init__()
        self.input, self.hidden = nn.Linear(3, 15), nn.Linear(5, 15)
        self.middle, self.head = nn.Linear(5, 7), nn.Linear(7, 2)

    def cell(self, x, h):
        (a, b, c), (d, e, f) = self.input(x).chunk(3, -1), self.hidden(h).chunk(3, -1)
        z = torch.sigmoid(b + e)
        return z * h + (1 - z) * (c + a.sigmoid() * f + d).tanh()

    def forward(self, x):
        h = x.new_zeros(len(x), 5)
        for step in x.unbind(1):
            h = self.cell(step, h)
        return self.head(F.leaky_relu(self.middle(h), 0.2))


class Separable(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 6, 1), nn.ReLU6(inplace=True), nn.Conv2d(6, 6, 3, groups=6), nn.BatchNorm2d(6),
            nn.Hardswish(), nn.Conv2d(6, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5),
        )  # fmt: skip


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down, self.deep = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 8, 3, padding=1)
        self.up, self.out = nn.ConvTranspose2d(8, 4, 2, 2), nn.Conv2d(8, 2, 1)
        self.act = nn.PReLU()

    def forward(self, x):
        skip = self.down(x).relu_()
        deep = F.elu(self.deep(F.max_pool2d(skip, 2)))
        up = self.act(self.up(deep))
        return self.out(torch.cat([skip, up], 1)).sigmoid()


class Depth(nn.Module):
    """As deep as its input says."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))

    def forward(self, x, depth=3):
        for layer in self.layers[:depth]:
            x = F.relu(layer(x))
        if depth > 1:
            x = F.silu(x)
        return x


def images(n=2, size=8) -> Tensor:
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(0))


def rows(*shape) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


NETWORKS = {
    "resnet": (ResNet, lambda: images()),
    "inception": (Inception, lambda: images()),
    "vit": (ViT, lambda: images()),
    "gated": (GatedMLP, lambda: rows(2, 3, 6)),
    "gated_new": (lambda: GatedMLP("gelu_new"), lambda: rows(2, 3, 6)),
    "gru": (GRU, lambda: rows(2, 4, 3)),
    "separable": (Separable, lambda: images()),
    "unet": (UNet, lambda: images()),
    "encoder": (lambda: nn.TransformerEncoderLayer(8, 2, 12, batch_first=True), lambda: rows(2, 3, 8)),
    "depth": (Depth, lambda: rows(2, 4)),
}
