"""The sentences at the end of a run: they say what was measured, and no more."""

import dataclasses
import io
import sys

import pytest
from rich.console import Console

from evoact.cli import results
from evoact.cli.results import this_command, verdict
from evoact.execution.run import Finished
from evoact.execution.summary import Confirmed, Summary

MIX = Confirmed(
    candidate=7,
    label="4 relu + 4 sin",
    heterogeneous=True,
    searched=True,
    baseline=False,
    learning_rate=0.01,
    n_parameters=130,
    validation=0.9,
    test=0.85,
    test_error=0.01,
    test_large=None,
    test_large_error=None,
    seeds=3,
    test_by_seed=(0.84, 0.85, 0.86),
)
RELU = dataclasses.replace(
    MIX, candidate=1, label="8 relu", heterogeneous=False, searched=False, baseline=True, n_parameters=120
)
SUMMARY = Summary("accuracy", "maximize", 28, 0, 16, 9, (), (MIX, RELU), 0, ())


def summary(winner=MIX, baseline=RELU, **fields):
    confirmed = (winner,) if winner is baseline else (winner, baseline)
    return dataclasses.replace(SUMMARY, **{"confirmed": confirmed} | fields)


def with_tests(confirmed, *tests, **fields):
    return dataclasses.replace(confirmed, seeds=len(tests), test_by_seed=tests, **fields)


def printed(found, monkeypatch, capsys, width=200):
    """What is printed of a run, to read without line breaks."""
    out = io.StringIO()
    monkeypatch.setattr(results, "Console", lambda **_: Console(file=out, width=width))
    results.end(Finished("run", True, found))
    return out.getvalue() + capsys.readouterr().out


@pytest.mark.parametrize(
    ("mix", "relu", "says"),
    [
        (
            (0.90, 0.91, 0.92),
            (0.80, 0.81, 0.82),
            "+10 points, 95 % interval +7.73 to +12.3, over 3 seeds: a gain",
        ),
        (
            (0.80, 0.81, 0.82),
            (0.90, 0.91, 0.92),
            "-10 points, 95 % interval -12.3 to -7.73, over 3 seeds: a loss",
        ),
        ((0.80, 0.85, 0.90), (0.79, 0.82, 0.88), "over 3 seeds: no difference shown"),
        # Two standard errors apart, which is 95 % for many seeds and far from it for three.
        ((0.80, 0.81, 0.85), (0.76, 0.77, 0.80), "over 3 seeds: no difference shown"),
        ((0.90, 0.91), (0.80, 0.81), "+10 points over 2 seeds: so few show nothing"),
        ((0.90,), (0.80,), "+10 points over 1 seed: so few show nothing"),
        ((0.90, 0.90, 0.90), (0.80, 0.80, 0.80), "interval +10 to +10, over 3 seeds: a gain"),
    ],
)
def test_the_verdict_is_a_test_at_95_per_cent(mix, relu, says):
    assert says in verdict(summary(with_tests(MIX, *mix), with_tests(RELU, *relu)))


def test_a_smaller_error_is_a_gain():
    found = summary(with_tests(MIX, 0.1, 0.11, 0.12), with_tests(RELU, 0.5, 0.51, 0.52))
    text = verdict(dataclasses.replace(found, metric="mse", direction="minimize"))
    assert "-0.4 mse" in text
    assert text.endswith(": a gain.")


def test_the_larger_test_split_is_named_where_there_is_one():
    assert "On the test split, " in verdict(summary())
    large = {"test_large": 0.8, "test_large_error": 0.01}
    found = summary(dataclasses.replace(MIX, **large), dataclasses.replace(RELU, **large))
    assert "On the larger test split, " in verdict(found)


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
    assert verdict(found).endswith(says)


def test_numbers_and_nouns_agree(monkeypatch, capsys):
    one = summary(with_tests(MIX, 0.9, test_error=None), with_tests(RELU, 0.8, test_error=None), set_aside=1)
    text = printed(one, monkeypatch, capsys)
    assert "16 distinct structures, 9 of them heterogeneous." in text
    assert "Confirmed on 1 fresh seed," in text
    assert "failed on a seed: 1 candidate." in text
    assert "±" not in text


def test_sizes_and_errors_stand_beside_the_confirmed(monkeypatch, capsys):
    text = printed(SUMMARY, monkeypatch, capsys)
    assert "130" in text
    assert "85.0 ± 1.0 %" in text
    assert "Size counts trained parameters; ± is the standard error over the seeds." in text
    same = summary(baseline=dataclasses.replace(RELU, n_parameters=MIX.n_parameters))
    assert "parameters" not in printed(same, monkeypatch, capsys)


def test_labels_of_the_confirmed_are_readable_on_80_columns(monkeypatch, capsys):
    label = "40 affine(abs,elu,identity) + 24 affine(elu,swish) | 64 affine(elu,identity)"
    fields = {"label": label, "learning_rate": 0.0316228, "test_large": 0.8, "test_large_error": 0.01}
    wide = summary(
        dataclasses.replace(MIX, n_parameters=115_210, **fields), dataclasses.replace(RELU, **fields)
    )
    text = printed(wide, monkeypatch, capsys, width=80)
    lines = text.partition("Next:")[0].splitlines()
    assert max(map(len, lines)) <= 81  # a sentence's last space
    assert any("24 affine(elu,swish) |" in line for line in lines)
    assert "left out for want of room: rate, test." in " ".join(text.split())


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
