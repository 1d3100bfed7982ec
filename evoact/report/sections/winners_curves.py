"""The activations that winners ended with, drawn."""

from collections.abc import Mapping

from evoact.analysis.activation_curves import HIGH, LOW, activation_curves
from evoact.analysis.winners import Winner
from evoact.errors import counted
from evoact.genomes.genome import loads
from evoact.report.figures.curves import curves_figure
from evoact.report.figures.figure import Figure
from evoact.report.number_format import Unit
from evoact.report.run import RunData
from evoact.report.sections.section import Section
from evoact.report.sections.series import best_of_each, colours

MOST_WINNERS = 24  # whose activations are drawn
MOST_CURVES = 12  # panels for a network: more layers than that nobody compares


def section(run: RunData, unit: Unit) -> Section | None:
    figures, plain = [], []
    css = colours(run)
    for i, (series, winner) in enumerate(best_of_each(run)[:MOST_WINNERS]):
        genome = loads(winner.genome)
        if genome.ordinary:
            plain.append(f"{series} ({genome.label})" if run.arms else series)
            continue
        title = f"{series if run.arms else winner.candidate}: {genome.label}"
        figures.append((title, winner_figure(run, winner, f"curves{i}", f"Activations of {series}", css)))
    if not figures:
        return None
    text = (
        f"Output against pre-activation from {LOW:g} to {HIGH:g} after training on the first fresh seed, a row for "
        "each site below its neurons by type; a function has the same colour in all figures."
    )
    left_out = (
        (f"Not drawn, since they are one plain function everywhere: {'; '.join(plain)}.",) if plain else ()
    )
    return Section("curves", "Activation curves of the winners", (text, *left_out), figures=tuple(figures))


def winner_figure(run: RunData, winner: Winner, name: str, title: str, css: Mapping[str, str]) -> Figure:
    """Return what the types of a winner's network compute, the first dozen of them; `css` gives functions' classes."""
    curves = activation_curves(loads(winner.genome), run.tensors(winner.artifact))
    figure = curves_figure(curves[:MOST_CURVES], name, title, css)
    if len(curves) <= MOST_CURVES:
        return figure
    more = f"{counted(len(curves) - MOST_CURVES, 'more type')} not drawn"
    return Figure(figure.svg, "; ".join(filter(None, (figure.note, more))))
