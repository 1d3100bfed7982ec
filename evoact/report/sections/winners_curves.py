"""The activations that winners ended with, drawn."""

from evoact.analysis.activation_curves import HIGH, LOW, activation_curves
from evoact.genomes.genome import loads
from evoact.report.figures import Figure, curves_figure
from evoact.report.number_format import Unit
from evoact.report.run import RunData
from evoact.report.sections.section import Section
from evoact.report.sections.series import best_of_each

MOST_WINNERS = 24  # whose activations are drawn
MOST_CURVES = 12  # panels for a network: more layers than that nobody compares


def section(run: RunData, unit: Unit) -> Section | None:
    figures = []
    for i, (series, winner) in enumerate(best_of_each(run)[:MOST_WINNERS]):
        genome = loads(winner.genome)
        curves = activation_curves(genome, run.tensors(winner.artifact))
        title = f"{series if run.arms else winner.candidate}: {genome.label}"
        figure = curves_figure(curves[:MOST_CURVES], f"curves{i}", f"Activations of {series}")
        if len(curves) > MOST_CURVES:
            more = f"{len(curves) - MOST_CURVES} more types are not drawn"
            figure = Figure(figure.svg, "; ".join(filter(None, (figure.note, more))))
        figures.append((title, figure))
    if not figures:
        return None
    text = (
        f"Output against pre-activation from {LOW:g} to {HIGH:g}, by layer and type, with the number of neurons, after "
        "training on the first fresh seed; the vertical axes differ."
    )
    return Section("curves", "Activation curves of the winners", (text,), figures=tuple(figures))
