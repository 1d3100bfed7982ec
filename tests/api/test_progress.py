"""Progress in a notebook; that on terminals is tested with the command line."""

from evoact.api.progress import Notebook, figures
from evoact.config import Plan, experiment
from evoact.execution.progress import Progress
from evoact.records import UNLIMITED


def test_a_notebook_has_a_bar_for_each_phase(tiny):
    shown = Notebook(Plan.of(experiment(tiny())), "runs/a&b")
    known = Progress("baseline", 3, 9, 3, 1, 0.512, 0.4, 2.0, 3.0, metric="accuracy")
    shown.phases = {
        "baseline": known,
        "search": Progress("search", 4, UNLIMITED, 7, 0, None, None, None, None),
    }
    page = shown.html()
    assert "runs/a&amp;b" in page
    assert '<progress value="3" max="9"></progress> 3/9 best 51.2 median 40.0 %  1 failed' in page
    assert "<progress></progress> 4 " in page


def test_what_is_no_share_is_written_as_it_is():
    assert figures(Progress("search", 3, 3, 3, 0, 0.0033123, 12.5, None, None, metric="mse")) == (
        "best 0.003312 median 12.5"
    )
