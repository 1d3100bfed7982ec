"""What a search came to: the text, the table and the figures."""

import xml.dom.minidom

import pytest

import evoact
from evoact.errors import UserError


@pytest.fixture(scope="module")
def found(tiny, tmp_path_factory):
    judged = {"candidates": 3, "baselines": 2, "seeds": 2, "judge": 3}
    return evoact.search(tiny(confirm=judged), tmp_path_factory.mktemp("runs") / "run")


def test_the_best_is_the_summarys_winner(found):
    assert found.best is found.summary.winner
    assert found.network.rows[0]["candidate"] == found.best.candidate
    assert found.verdict in repr(found)


def test_the_leaderboard_is_a_data_frame_best_first(found):
    assert found.leaderboard["candidate"].iloc[0] == found.best.candidate
    assert found.leaderboard["rank"].tolist() == list(range(1, len(found.leaderboard) + 1))


@pytest.mark.parametrize("name", ["plot_curves", "plot_progress", "plot_differences"])
def test_figures_show_and_save_themselves(found, name, tmp_path):
    picture = getattr(found, name)()
    assert "data:image/svg+xml;base64," in picture._repr_html_()
    saved = picture.save(tmp_path / "figure.svg")
    assert xml.dom.minidom.parse(saved).documentElement.tagName == "svg"
    with pytest.raises(UserError, match=r"expected a file that ends in .svg, got .*png"):
        picture.save(tmp_path / "figure.png")


def test_a_notebook_shows_verdict_gains_and_candidates(found):
    page = found._repr_html_()
    assert "<img" in page
    assert page.count("<tr") == 1 + min(5, len(found.leaderboard))


def test_the_best_is_exported(found, tmp_path):
    assert (found.export(tmp_path / "out") / "model.py").is_file()
