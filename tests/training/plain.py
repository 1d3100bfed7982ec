"""An independent, ordinary training run: one network, plain PyTorch, torch.optim; the reference.

It shares with evoact only what it must: the initial numbers and the order of the batches.
"""

import torch
from torch import nn
from torch.nn import functional as F

from evoact.genomes.kinds import Base, Hull

FUNCTIONS = {
    "identity": lambda x: x,
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "selu": F.selu,
    "softplus": F.softplus,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softsign": F.softsign,
    "sin": torch.sin,
    "cos": torch.cos,
    "gaussian": lambda x: torch.exp(-x.square()),
    "gelu": F.gelu,
    "swish": F.silu,
    "mish": F.mish,
    "abs": torch.abs,
    "square": torch.square,
    "thresholded_relu": lambda x: F.threshold(x, 1, 0),
    "relu6": F.relu6,
    "hard_tanh": F.hardtanh,
    "hard_sigmoid": F.hardsigmoid,
    "hard_swish": F.hardswish,
    "snake": lambda x: x + (1 - torch.cos(2 * x)) / 2,
    "zero": lambda x: 0 * x,
}
HULLS = {
    "convex": lambda w: torch.softmax(w, dim=-1),
    "affine": lambda w: w + (1 - w.sum(-1, keepdim=True)) / w.shape[-1],
    "conic": F.softplus,
    "linear": lambda w: w,
}


def activate(x, site, parameters):
    """x [B, N], the site's genome, its flat parameters; types one after another, by column."""
    y, start = torch.empty_like(x), 0
    for index, t in enumerate(site.types):
        columns = [n for n, owner in enumerate(site.assignment) if owner == index]
        part = x[:, columns]
        if isinstance(t, Base):
            value = FUNCTIONS[t.name](part)
        elif isinstance(t, Hull):
            n = len(t.functions)
            sets = len(columns) if t.per == "neuron" else 1
            c = HULLS[t.hull](parameters[start : start + sets * n].view(sets, n))
            start += sets * n
            value = sum(c[:, i] * FUNCTIONS[f](part) for i, f in enumerate(t.functions))
        else:
            h = t.hidden
            u, b, v, d = parameters[start : start + 3 * h + 1].split([h, h, h, 1])
            start += 3 * h + 1
            value = FUNCTIONS[t.base](part) + 0.2 * (torch.tanh(part[..., None] * u + b) @ v + d)
        y[:, columns] = value
    return y


class Net(nn.Module):
    """The MLP of one member, from evoact's initial parameters."""

    def __init__(self, genome, initial, dtype):
        super().__init__()
        self.genome = genome
        self.p = nn.ParameterDict(
            {n.replace(".", "_"): nn.Parameter(v.to(dtype)) for n, v in initial.items()}
        )

    def forward(self, x):
        for i, site in enumerate(self.genome.sites):
            x = F.linear(x, self.p[f"weight{i}"], self.p[f"bias{i}"][:, 0])
            x = activate(x, site, self.p[f"{site.site}_activation"])
        last = len(self.genome.sites)
        return F.linear(x, self.p[f"weight{last}"], self.p[f"bias{last}"][:, 0])


OPTIMIZERS = {
    "adam": lambda p, lr, a: torch.optim.Adam(
        p,
        lr,
        (a.get("beta1", 0.9), a.get("beta2", 0.999)),
        a.get("eps", 1e-8),
        weight_decay=a.get("weight_decay", 0),
    ),
    "sgd": lambda p, lr, a: torch.optim.SGD(
        p, lr, momentum=a.get("momentum", 0), weight_decay=a.get("weight_decay", 0)
    ),
    "rmsprop": lambda p, lr, a: torch.optim.RMSprop(
        p,
        lr,
        alpha=a.get("alpha", 0.99),
        momentum=a.get("momentum", 0),
        weight_decay=a.get("weight_decay", 0),
    ),
}


def train(genome, initial, batches, steps, optimizer, arguments, dtype):
    """Parameters by name after `steps`; `batches(step)` gives one batch, [B, D] and [B]."""
    net = Net(genome, initial, dtype)
    named = {name: p for name, p in net.p.items() if p.numel()}
    own = {name for name in named if name.endswith("_activation")}
    parameters = [{"params": [p for name, p in named.items() if name not in own]}]
    if own:
        parameters.append({"params": [named[name] for name in own]})
        if not arguments.get("decay_activations"):
            parameters[1]["weight_decay"] = 0.0  # He et al. 2015, section 2.1
    o = OPTIMIZERS[optimizer](parameters, genome.hyperparameter("learning_rate"), arguments)
    for step in range(steps):
        x, y = batches(step)
        o.zero_grad()
        outputs = net(x)
        loss = F.cross_entropy(outputs, y) if not y.is_floating_point() else F.mse_loss(outputs, y)
        loss.backward()
        o.step()
    return {name: p.detach() for name, p in net.p.items()}
