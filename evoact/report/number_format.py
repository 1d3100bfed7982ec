"""Numbers for people: accuracies in per cent, their differences in points."""

import math
from dataclasses import dataclass

from evoact.analysis.comparison import Interval
from evoact.tasks.metrics import METRICS, in_percent

NOTHING = "–"


@dataclass(frozen=True)
class Unit:
    """A metric's scale and words; `name` stands beside axes whose numbers bear no sign."""

    name: str
    scale: float
    sign: str
    differences: str
    decimals: int | None

    def value(self, value: float | None) -> str:
        """Return a metric: `61.7 %`, or `0.00331`."""
        if value is None or math.isnan(value):
            return NOTHING
        return f"{self._number(value)}{self.sign}"

    def difference(self, value: float) -> str:
        """Return a difference with its sign: `+1.25`."""
        if math.isnan(value):
            return NOTHING
        digits = "+.3g" if self.decimals is None else f"+.{self.decimals}f"
        return f"{self.scale * value:{digits}}".replace("-", "−")

    def range(self, interval: Interval | None) -> str:
        """Return the range of a metric: `60.9 to 62.2`."""
        if interval is None or math.isinf(interval.low):
            return NOTHING
        return f"{self._number(interval.low)} to {self._number(interval.high)}"

    def differences_range(self, interval: Interval) -> str:
        if math.isinf(interval.low):
            return NOTHING
        return f"{self.difference(interval.low)} to {self.difference(interval.high)}"

    def _number(self, value: float) -> str:
        digits = ".4g" if self.decimals is None else f".{self.decimals}f"
        return f"{self.scale * value:{digits}}"


def unit_of(metric: str) -> Unit:
    """Return how a metric is written: in per cent if it is a share, else as it is.

    >>> unit_of("accuracy").value(0.61724), unit_of("mse").value(0.00331), unit_of("accuracy").difference(-0.012)
    ('61.72 %', '0.00331', '−1.20')
    """
    if in_percent(metric):
        return Unit(f"{metric} (%)", 100, " %", "points", 2)
    name = metric.partition("@")[0]  # of a function
    return Unit(name, 1, "", name, None)


def beside_trivial(who: str, value: float, metric: str, maximize: bool, trivial: float) -> str:
    """Return a network's metric beside that of always saying the same, which readers of the metric alone would not
    think of.

    >>> beside_trivial("The winner", 0.9, "accuracy", True, 0.627)
    'Always saying the most frequent class of the training split gives 62.70 %.'
    >>> beside_trivial("The winner", 0.002, "mse", False, 0.001)  # doctest: +ELLIPSIS
    'The winner is no better than always saying the mean of the training split (0.001): it has learned nothing...'
    """
    constant = f"the {METRICS[metric].constant} of the training split" if metric in METRICS else "the same"
    said = f"always saying {constant}"
    number = unit_of(metric).value(trivial)
    if value > trivial if maximize else value < trivial:
        return f"{said[0].upper()}{said[1:]} gives {number}."
    return (
        f"{who} is no better than {said} ({number}): it has learned nothing of use; look at the scale of the features "
        "and targets, the learning rates, the number of steps and the labels."
    )


def p_text(p: float) -> str:
    """Return a p-value with as many digits as say anything.

    >>> p_text(0.0004), p_text(0.0371), p_text(1.0)
    ('< 0.001', '0.037', '1')
    """
    return "< 0.001" if p < 0.001 else f"{p:.2g}"


def count(number: float) -> str:
    """Return a large number in few characters.

    >>> count(999), count(160000000), count(25600)
    ('999', '1.6e8', '25,600')
    """
    if number < 1e6:
        return f"{number:,.0f}"
    mantissa, _, exponent = f"{number:.2e}".partition("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def duration(seconds: float) -> str:
    """Return a time in the unit that people would take.

    >>> duration(42), duration(372), duration(7500)
    ('42 s', '6 min', '2 h 5 min')
    """
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
