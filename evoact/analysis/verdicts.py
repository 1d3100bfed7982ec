"""From an interval and a corrected p-value to a verdict in words; "no difference shown" is one of them."""

import math
from enum import StrEnum

LEVEL = 0.95
ALPHA = 0.05
FEWEST = 3  # seeds: over fewer no interval says anything


class Verdict(StrEnum):
    """The verdict on an arm's gain over another.

    `better` and `worse` need the corrected test and the interval to agree; what is inside the region of
    practical equivalence is said to be.
    """

    BETTER = "better"
    WORSE = "worse"
    SLIGHTLY_BETTER = "better, by less than matters"
    SLIGHTLY_WORSE = "worse, by less than matters"
    EQUIVALENT = "practically equivalent"
    NOT_SHOWN = "no difference shown"
    TOO_FEW = "too few repeats"


def fewest_repeats(comparisons: int) -> int:
    """Return the fewest repeats with which Wilcoxon's two-sided test, corrected for so many comparisons, can show
    anything.

    All differences having one sign has probability 2 / 2^n by chance; the smallest p-value is multiplied by the
    number of comparisons (Holm 1979).

    >>> fewest_repeats(1), fewest_repeats(9)
    (6, 9)
    """
    return math.ceil(math.log2(2 * max(1, comparisons) / ALPHA) - 1e-12)


def verdict(
    low: float, high: float, p_holm: float, repeats: int, comparisons: int, equivalence: float = 0.0
) -> Verdict:
    """Return the verdict on a gain.

    Args:
        low, high: of its interval, above 0 meaning better
        p_holm: corrected for all comparisons
        repeats: that the test is over
        comparisons: how many there are
        equivalence: gains within plus and minus this count as no practical difference

    >>> verdict(0.5, 2.0, 0.01, 10, 4).value, verdict(-0.5, 2.0, 0.2, 10, 4).value
    ('better', 'no difference shown')
    """
    if repeats < fewest_repeats(comparisons):
        return Verdict.TOO_FEW
    inside = -equivalence < low and high < equivalence
    if p_holm < ALPHA and low > 0:
        return Verdict.SLIGHTLY_BETTER if inside else Verdict.BETTER
    if p_holm < ALPHA and high < 0:
        return Verdict.SLIGHTLY_WORSE if inside else Verdict.WORSE
    return Verdict.EQUIVALENT if inside else Verdict.NOT_SHOWN
