"""The sentences at the end of a run: they say what was measured, and no more."""

import dataclasses
import io
import sys

import pytest
from rich.console import Console

from evoact.analysis.candidates import Doubt
from evoact.analysis.search_summary import Confirmed, Figures, Summary
from evoact.cli import results
from evoact.cli.results import this_command, verdict
from evoact.execution.run import Finished

MIX = Confirmed(
    candidate=7,
    label="4 relu + 4 sin",
    heterogeneous=True,
    searched=True,
    baseline=False,
    learning_rate=0.01,
    n_parameters=130,
    chosen_on=Figures(0.9, (0.86, 0.87, 0.88)),
    judged_on=Figures(0.88, (0.84, 0.85, 0.86)),
)
RELU = dataclasses.replace(
    MIX, candidate=1, label="8 relu", heterogeneous=False, searched=False, baseline=True, n_parameters=120
)
SUMMARY = Summary("accuracy", "maximize", 28, 0, 16, 9, (), (MIX, RELU), 0, (), judge=3)


def summary(winner=MIX, baseline=RELU, **fields):
    confirmed = (winner,) if winner is baseline else (winner, baseline)
    return dataclasses.replace(SUMMARY, **{"confirmed": confirmed} | fields)


def judged(confirmed, *tests, **fields):
    return dataclasses.replace(confirmed, judged_on=Figures(0.5, tests), **fields)


def printed(found, monkeypatch, capsys, width=200):
    """What is printed of a run, to read without line breaks."""
    out = io.StringIO()
    monkeypatch.setattr(results, "Console", lambda **_: Console(file=out, width=width))
    results.end(Finished("run", True, found.networks, found.failures, {("", 0): found}))
    return out.getvalue() + capsys.readouterr().out


def test_a_test_metric_that_is_nan_is_said_in_words():
    nan = float("nan")
    lost = dataclasses.replace(MIX, judged_on=Figures(0.88, (0.8, nan, 0.9)))
    for one in (summary(winner=lost), summary(baseline=dataclasses.replace(RELU, judged_on=lost.judged_on))):
        said = verdict(one)
        assert said.startswith("No verdict: ")
        assert "no number" in said
        assert "nan" not in said
    assert "found by the search, gives no number on the" in verdict(summary(winner=lost))


@pytest.mark.parametrize(
    ("mix", "relu", "says", "by"),
    [
        (
            (0.90, 0.91, 0.92),
            (0.80, 0.81, 0.82),
            "A gain: ",
            "+10 points, 95 % interval +7.73 to +12.3, over 3 seeds",
        ),
        (
            (0.80, 0.81, 0.82),
            (0.90, 0.91, 0.92),
            "A loss: ",
            "-10 points, 95 % interval -12.3 to -7.73, over 3 seeds",
        ),
        ((0.80, 0.85, 0.90), (0.79, 0.82, 0.88), "No difference shown: ", "over 3 seeds"),
        # Two standard errors apart, which is 95 % for many seeds and far from it for three.
        ((0.80, 0.81, 0.85), (0.76, 0.77, 0.80), "No difference shown: ", "over 3 seeds"),
        (
            (0.90, 0.91),
            (0.80, 0.81),
            "Too few seeds: ",
            "+10 points over 2 seeds, too few to tell; set confirm.judge",
        ),
        ((0.90,), (0.80,), "Too few seeds: ", "+10 points over 1 seed, too few to tell"),
        ((0.90, 0.90, 0.90), (0.80, 0.80, 0.80), "A gain: ", "interval +10 to +10, over 3 seeds"),
    ],
)
def test_the_verdict_is_a_test_at_95_per_cent(mix, relu, says, by):
    headline = verdict(summary(judged(MIX, *mix), judged(RELU, *relu))).splitlines()[0]
    assert headline.startswith(says)
    assert by in headline


def test_the_headline_has_the_figures_of_the_judgement_on_one_split():
    found = summary(judged(MIX, 0.84, 0.85, 0.86), judged(RELU, 0.80, 0.81, 0.82), split="test_large_metric")
    first, *others = verdict(found).splitlines()
    assert first == (
        "A gain: the winner, candidate 7 (4 relu + 4 sin), found by the search, reaches 85.0 % on the larger test "
        "split, the best homogeneous baseline, candidate 1 (8 relu), 81.0 %. Best found minus best baseline: +4 "
        "points, 95 % interval +1.73 to +6.27, over 3 seeds."
    )
    assert others == [
        "Chosen by validation on 3 fresh seeds, judged on 3 others, which took no part in the choice."
    ]


def test_a_baseline_that_wins_is_the_winner_and_the_best_found_is_named():
    relu = judged(RELU, 0.90, 0.91, 0.92)
    found = dataclasses.replace(SUMMARY, confirmed=(relu, judged(MIX, 0.80, 0.81, 0.82)))
    assert found.winner is relu
    assert (found.best_found.candidate, found.best_baseline) == (7, relu)
    assert verdict(found).startswith(
        "A loss: the winner, candidate 1 (8 relu), is the best homogeneous baseline and reaches 91.0 % on the test "
        "split, the best found by the search, candidate 7 (4 relu + 4 sin), 81.0 %. Best found minus best baseline: -1"
    )


def test_a_gain_is_the_best_founds_though_validation_chose_the_baseline():
    relu = judged(RELU, 0.80, 0.81, 0.82)
    found = dataclasses.replace(SUMMARY, confirmed=(relu, judged(MIX, 0.90, 0.91, 0.92)))
    assert found.winner is relu
    assert verdict(found).startswith(
        "A gain: the best found by the search, candidate 7 (4 relu + 4 sin), reaches 91.0 % on the test split, the "
        "best homogeneous baseline, candidate 1 (8 relu), 81.0 %; the winner is the baseline all the same, for "
        "validation chose it. Best found minus best baseline: +10"
    )


def test_the_rule_under_which_a_run_was_judged_is_said():
    old = summary(*(dataclasses.replace(c, judged_on=None) for c in (MIX, RELU)), judge=0)
    assert "Chosen and judged on the same 3 fresh seeds (confirm.judge is 0" in verdict(old)
    assert "reaches 87.0 %" in verdict(old)
    assert verdict(dataclasses.replace(old, judge=3)).startswith("No verdict yet: ")


def test_how_sure_the_choice_is():
    found = summary(doubt=Doubt(0.4, 0.003, 8), baseline_doubt=Doubt(0.25, 0.01, 3))
    assert (
        "How sure the choice is: the winner is truly the best of 8 confirmed with probability 0.60 (expected to be 0.3 "
        "points worse than the best); the baseline of 3 confirmed with probability 0.75 (expected to be 1 points"
    ) in verdict(found)
    assert "(expected to be under 0.01 points worse" in verdict(summary(doubt=Doubt(1e-6, 1e-7, 3)))


def test_a_smaller_error_is_a_gain():
    found = summary(judged(MIX, 0.1, 0.11, 0.12), judged(RELU, 0.5, 0.51, 0.52))
    text = verdict(dataclasses.replace(found, metric="mse", direction="minimize"))
    assert text.startswith("A gain: ")
    assert "-0.4 mse" in text


@pytest.mark.parametrize(
    ("tried", "others", "says"),
    [
        (0, (), "no mix of activations within a layer was tried, only 16 structures with one in each layer."),
        (9, (), "of 9 heterogeneous structures tried, none was confirmed."),
        (1, (MIX,), "of 1 heterogeneous structure tried, 1 confirmed, none was better."),
    ],
)
def test_a_baseline_that_wins_says_what_was_tried(tried, others, says):
    relu = dataclasses.replace(RELU, searched=True)
    found = dataclasses.replace(SUMMARY, confirmed=(relu, *others), heterogeneous=tried)
    assert verdict(found).splitlines()[0].endswith(says)


def test_numbers_and_nouns_agree(monkeypatch, capsys):
    once = {"chosen_on": Figures(0.9, (0.9,))}
    one = summary(judged(MIX, 0.9, **once), judged(RELU, 0.8, **once), set_aside=1)
    text = printed(one, monkeypatch, capsys)
    assert "16 distinct structures, 9 of them heterogeneous." in text
    assert "Confirmed on 1 fresh seed," in text
    assert "Excluded (failed on a seed): 1 candidate." in text
    assert "±" not in text


def test_sizes_and_errors_stand_beside_the_confirmed(monkeypatch, capsys):
    text = printed(SUMMARY, monkeypatch, capsys)
    assert "130" in text
    assert "87.0 ± 0.6 %  85.0 ± 0.6 %" in text
    assert (
        "Size counts trained parameters; test on the test split; ± is the standard error over the seeds; judged on 3 "
        "other seeds, which took no part in the choice."
    ) in text
    same = summary(baseline=dataclasses.replace(RELU, n_parameters=MIX.n_parameters))
    assert "parameters" not in printed(same, monkeypatch, capsys)


def test_figures_without_a_unit_have_a_name(monkeypatch, capsys):
    regression = dataclasses.replace(SUMMARY, metric="mse", direction="minimize")
    assert "Figures are mse, of which less is better; " in printed(regression, monkeypatch, capsys)
    assert "Figures" not in printed(SUMMARY, monkeypatch, capsys)


def test_labels_of_the_confirmed_are_readable_on_80_columns(monkeypatch, capsys):
    label = "40 affine(abs,elu,identity) + 24 affine(elu,swish) | 64 affine(elu,identity)"
    fields = {"label": label, "learning_rate": 0.0316228}
    wide = summary(
        dataclasses.replace(MIX, n_parameters=115_210, **fields), dataclasses.replace(RELU, **fields)
    )
    text = printed(wide, monkeypatch, capsys, width=80)
    lines = text.partition("Next:")[0].splitlines()
    assert max(map(len, lines)) <= 81  # a sentence's last space
    assert any("24 affine(elu,swish) |" in line for line in lines)
    assert "hidden, because the terminal is too narrow: rate, test." in " ".join(text.split())


def test_the_next_steps_name_a_command_that_is_there(monkeypatch, tmp_path):
    monkeypatch.setattr("shutil.which", lambda name: "/somewhere/evoact")
    assert this_command() == "evoact"
    command = tmp_path / ".venv" / "bin" / "evoact"
    command.parent.mkdir(parents=True)
    command.touch()
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(sys, "argv", [str(command)])
    monkeypatch.chdir(tmp_path)
    assert this_command() == ".venv/bin/evoact"
    (tmp_path / "else").mkdir()
    monkeypatch.chdir(tmp_path / "else")
    assert this_command() == str(command)
    monkeypatch.setattr(sys, "argv", ["-c"])
    monkeypatch.setattr(sys, "executable", str(command.with_name("python")))
    assert this_command() == str(command)
