"""Activations as plain modules.

Each takes x with the neurons in the last dimension, [..., neurons]; what takes several pre-activations, [..., neurons,
pieces]. Trained numbers have a last dimension of 1 if the neurons share them, else one for each neuron.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Sin(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(x)


class Cos(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cos(x)


class Gaussian(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.exp(-x * x)


class Abs(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.abs(x)


class Square(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * x


class Snake(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.sin(x) ** 2


class Zero(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)


class Elementwise(nn.Module):
    """A function of each element."""

    def __init__(self, function: Callable[[Tensor], Tensor]):
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)

    def extra_repr(self) -> str:
        return getattr(self.function, "__name__", "")


class Rescaled(nn.Module):
    """a f(b x) + c with fixed numbers."""

    def __init__(self, function: nn.Module, a: float = 1.0, b: float = 1.0, c: float = 0.0):
        super().__init__()
        self.function, self.a, self.b, self.c = function, a, b, c

    def forward(self, x: Tensor) -> Tensor:
        return self.a * self.function(self.b * x) + self.c

    def extra_repr(self) -> str:
        return f"a={self.a:g}, b={self.b:g}, c={self.c:g}"


class Scaled(nn.Module):
    """a f(b x) with a and b trained."""

    def __init__(self, function: nn.Module, neurons: int = 1):
        super().__init__()
        self.function = function
        self.a = nn.Parameter(torch.ones(neurons))
        self.b = nn.Parameter(torch.ones(neurons))

    def forward(self, x: Tensor) -> Tensor:
        return self.a * self.function(self.b * x)


def convex(w: Tensor) -> Tensor:
    return w.softmax(0)


def affine(w: Tensor) -> Tensor:
    return w + (1 - w.sum(0)) / len(w)


def conic(w: Tensor) -> Tensor:
    return F.softplus(w)


def linear(w: Tensor) -> Tensor:
    return w


class Hull(nn.Module):
    """A combination sum_i c_i f_i(x) with the coefficients c = `coefficients(w)`, w trained (Manessi & Rozza 2018)."""

    def __init__(
        self,
        functions: Sequence[nn.Module],
        coefficients: Callable[[Tensor], Tensor],
        neurons: int = 1,
    ):
        super().__init__()
        self.functions, self.coefficients = nn.ModuleList(functions), coefficients
        self.w = nn.Parameter(torch.zeros(len(functions), neurons))

    def forward(self, x: Tensor) -> Tensor:
        c = self.coefficients(self.w)
        return torch.stack([c[i] * f(x) for i, f in enumerate(self.functions)]).sum(0)

    def extra_repr(self) -> str:
        return f"{self.coefficients.__name__}, of:"


class PReLU(nn.Module):
    """max(0, x) + a min(0, x) with a trained (He et al. 2015)."""

    def __init__(self, neurons: int = 1):
        super().__init__()
        self.a = nn.Parameter(torch.full((neurons,), 0.25))

    def forward(self, x: Tensor) -> Tensor:
        return x.clamp(min=0) + self.a * x.clamp(max=0)


class PiecewiseLinear(nn.Module):
    """max(0, x) + sum_s a_s max(0, b_s - x) with a and b trained (Agostinelli et al. 2015)."""

    def __init__(self, hinges: int, neurons: int = 1):
        super().__init__()
        self.a = nn.Parameter(torch.zeros(hinges, neurons))
        self.b = nn.Parameter(torch.zeros(hinges, neurons))

    def forward(self, x: Tensor) -> Tensor:
        y = x.clamp(min=0)
        for a, b in zip(self.a, self.b, strict=True):
            y = y + a * (b - x).clamp(min=0)
        return y


class Rational(nn.Module):
    """P(x) / (1 + |Q(x)|) with the coefficients of both polynomials trained (Molina et al. 2020)."""

    def __init__(self, numerator: int, denominator: int, neurons: int = 1):
        super().__init__()
        self.p = nn.Parameter(torch.zeros(numerator + 1, neurons))  # of 1, x, x^2, ...
        self.q = nn.Parameter(torch.zeros(denominator, neurons))  # of x, x^2, ...

    def forward(self, x: Tensor) -> Tensor:
        p, q = torch.zeros_like(x), torch.zeros_like(x)
        for c in reversed(self.p):
            p = p * x + c
        for c in reversed(self.q):
            q = (q + c) * x
        return p / (1 + q.abs())


class Subnetwork(nn.Module):
    """f(x) + 0.2 (v . tanh(u x + b) + d): a small network on top of a function (Choudhary et al. 2022)."""

    def __init__(self, function: nn.Module, hidden: int):
        super().__init__()
        self.function = function
        self.u, self.b, self.v = (nn.Parameter(torch.zeros(hidden)) for _ in range(3))
        self.d = nn.Parameter(torch.zeros(1))

    def learned(self, x: Tensor) -> Tensor:
        units = torch.tanh(x.unsqueeze(-1) * self.u + self.b)
        return 0.2 * ((units * self.v).sum(-1) + self.d)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x) + self.learned(x)


class SplinedSubnetwork(Subnetwork):
    """The same, with the learned part on 257 nodes from -10 to 10 and a cubic spline between them, straight beyond:
    as it was trained, and cheaper than at every x.
    """

    def forward(self, x: Tensor) -> Tensor:
        f = self.learned(torch.arange(-2, 259, dtype=x.dtype, device=x.device) / 12.8 - 10)
        c = (8 * f[1:-1] - f[:-2] - f[2:]) / 6
        s = (x + 10) * 12.8
        end = s.clamp(0, 256)
        node = end.detach().clamp(max=255).floor()
        t, first = end - node, node.long()
        u = 1 - t
        k = [c[first + i] for i in range(4)]
        value = (u**3 * k[0] + t**3 * k[3]) / 6
        value = value + (t * t * (t / 2 - 1) + 2 / 3) * k[1] + (u * u * (u / 2 - 1) + 2 / 3) * k[2]
        slope = (
            (t * t * k[3] - u * u * k[0]) / 2 + (1.5 * t * t - 2 * t) * k[1] - (1.5 * u * u - 2 * u) * k[2]
        )
        return self.function(x) + value + slope * (s - end)


class Curve(nn.Module):
    """A fixed curve: between its borders c0 + c1 d + c2 d^2 + c3 d^3, where d = x - origin."""

    borders: Tensor
    origin_and_c: Tensor

    def __init__(self, borders: int):
        super().__init__()
        self.register_buffer("borders", torch.zeros(borders))
        self.register_buffer("origin_and_c", torch.zeros(5, borders + 1))

    def forward(self, x: Tensor) -> Tensor:
        interval = torch.bucketize(x.detach().contiguous(), self.borders, right=True)
        origin, c0, c1, c2, c3 = (row[interval] for row in self.origin_and_c)
        d = x - origin
        return c0 + d * (c1 + d * (c2 + d * c3))


class Maxout(nn.Module):
    """The largest of a neuron's pre-activations (Goodfellow et al. 2013)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.amax(-1)


class ProbabilisticMaxout(nn.Module):
    """A neuron's pre-activation drawn by softmax(sharpness x) while training, their mean under it in evaluation
    (Springenberg & Riedmiller 2013)."""

    def __init__(self, sharpness: float):
        super().__init__()
        self.sharpness = sharpness

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return x.gather(-1, F.gumbel_softmax(self.sharpness * x).argmax(-1, keepdim=True)).squeeze(-1)
        return (x * (self.sharpness * x).softmax(-1)).sum(-1)


class LpPool(nn.Module):
    """(mean_i |x_i - c_i|^p)^(1/p) over a neuron's pre-activations, c and p = 1 + softplus(r) trained (Gulcehre et al.
    2014)."""

    def __init__(self, pieces: int, neurons: int = 1):
        super().__init__()
        self.c = nn.Parameter(torch.zeros(pieces, neurons))
        self.r = nn.Parameter(torch.zeros(neurons))

    def forward(self, x: Tensor) -> Tensor:
        p = 1 + F.softplus(self.r)
        distance = (x - self.c.T).abs().clamp(min=1e-30)
        largest = distance.detach().amax(-1, keepdim=True)  # so that no power overflows
        mean = ((distance / largest) ** p.unsqueeze(-1)).mean(-1)
        return largest.squeeze(-1) * mean ** (1 / p)


class NetworkInNetwork(nn.Module):
    """f(sum_i v_i f(x_i) + d) over a neuron's pre-activations, v and d trained (after Lin et al. 2014)."""

    def __init__(self, function: nn.Module, pieces: int):
        super().__init__()
        self.function = function
        self.v, self.d = nn.Parameter(torch.zeros(pieces)), nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.function((self.function(x) * self.v).sum(-1) + self.d)
