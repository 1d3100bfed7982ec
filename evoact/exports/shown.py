"""One candidate in lines of text: its activations, its figures by seed, and what its types learned."""

from collections.abc import Iterator

import numpy as np

from evoact.analysis.activation_curves import activation_curves
from evoact.exports.module import TrainedNetwork
from evoact.genomes.genome import dumps

AT = (-4, -2, -1, 0, 1, 2, 4)  # the inputs at which curves are shown


def shown(network: TrainedNetwork) -> Iterator[str]:
    """Yield the lines about a network that was loaded with all its seeds."""
    first = network.rows[0]
    yield f"candidate {first['candidate']}: {network.genome.label}"
    for name, value in network.genome.hyperparameters:
        yield f"  {name} {value:g}"
    yield f"  {sum(p.numel() for p in network.parameters()) // len(network.rows)} parameters a network"
    yield ""
    columns = ("seed", "phase", "val_metric", "test_metric", "test_large_metric")
    known = [c for c in columns if any(row[c] is not None for row in network.rows)]
    yield "  ".join(f"{c:>17}" for c in (*known, "artifact"))
    for row in network.rows:
        figures = [f"{row[c]:.5g}" if isinstance(row[c], float) else str(row[c]) for c in known]
        yield "  ".join(f"{text:>17}" for text in (*figures, row["artifact"]))
    yield ""
    tensors = {name: tensor[0].detach().cpu().numpy() for name, tensor in network.tensors().items()}
    curves = activation_curves(network.genome, tensors)
    named = [f"{types.site}: {types.count} {types.label}" for types in curves]
    width = max(map(len, named))
    yield f"What its types compute on seed {first['seed']}:"
    yield f"{'x':>{width}}" + "".join(f"{x:>9}" for x in AT)
    for name, types in zip(named, curves, strict=True):
        for y in types.y:
            values = np.interp(AT, types.x, y).round(4) + 0.0  # no -0
            yield f"{name:<{width}}" + "".join(f"{v:>9.3g}" for v in values)
        if types.why_not:
            yield f"{name:<{width}}  not drawn, {types.why_not}"
    yield ""
    yield dumps(network.genome)
