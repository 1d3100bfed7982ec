"""Box plots of values that are not all numbers."""

import math

from evoact.report.figures.boxes import Box, box_plots
from evoact.report.number_format import unit_of


def test_values_that_are_not_finite_are_left_out():
    """A metric need not be defined on every split: the area under the curve of one class alone is no number."""
    few = (0.1, 0.2, 0.3, 0.4, 0.5)
    for values in ((math.nan,) * 6, (), (math.inf, *few), (math.nan, *few)):
        svg = box_plots([Box("one", values), Box("two", few)], unit_of("roc_auc"), "test").svg
        assert svg.count('class="box ') == 1 + (len(values) == 6 and few[0] in values)
        assert "nan" not in svg.partition("</desc>")[2]
        assert "inf" not in svg.partition("</desc>")[2]
