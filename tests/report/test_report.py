"""What a report says, of comparisons and of searches, finished or not; and how large it may get."""

import dataclasses
import json
import random
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pyarrow.parquet as pq
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

import evoact
from evoact.analysis.comparison import findings
from evoact.analysis.importance import choices
from evoact.analysis.verdicts import Verdict
from evoact.cli.main import main
from evoact.config import comparison, experiment
from evoact.errors import UserError
from evoact.execution.run import compare, search
from evoact.genomes.genome import dumps
from evoact.leaderboard.schema import VERSION_KEY
from evoact.records import FRESH
from evoact.report.comparison_text import (
    arm_table,
    between_tables,
    comparison_text,
    found_sentences,
    verdict_sentences,
)
from evoact.report.figures.boxes import Box, box_plots
from evoact.report.figures.forest import Effect, forest
from evoact.report.figures.scatter import Point, scatter
from evoact.report.markdown import markdown
from evoact.report.number_format import unit_of
from evoact.report.page import page
from evoact.report.run import read_run
from evoact.report.sections import sections
from evoact.report.sections.choices_that_mattered import section as mattered
from tests.analysis.test_comparison import arm


@pytest.fixture(scope="module")
def compared(tiny_comparison, tmp_path_factory):
    """A comparison with a group, a scaled control, and an arm whose every candidate fails."""
    data = tiny_comparison(
        repeats=2,
        scaled="scaled",
        equivalence=0.01,
        arms__scaled={
            "space": {"types": {"scaled": {"bases": ["tanh", "sin"]}}, "types_per_layer": [1, 1]}
            | {"learning_rate": {"values": [0.01, 0.1]}},
            "strategy": {"name": "enumerate", "seeds": [0, 1]},
        },
        arms__evolution__group="evolved",
        arms__random__group="drawn",
        arms__lost={"strategy": {"name": "random"}, "learning_rate": {"values": [1e38]}},
    )
    home = tmp_path_factory.mktemp("report") / "run"
    compare(comparison(data), home)
    return home


@pytest.fixture(scope="module")
def searched(tiny, tmp_path_factory):
    home = tmp_path_factory.mktemp("report") / "run"
    search(experiment(tiny(confirm={"candidates": 2, "baselines": 1, "seeds": 2, "judge": 3})), home)
    return home


class Checked(HTMLParser):
    """Notes headings and links, and that every element is closed in its turn."""

    VOID = frozenset(("meta", "link", "input", "br", "img"))

    def __init__(self, text):
        super().__init__()
        self.open, self.headings, self.targets, self.ids = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.targets += [given[name] for name in ("src", "href") if name in given]
        self.ids += [given["id"]] if "id" in given else []
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


@pytest.mark.slow
def test_the_page_of_a_comparison(compared):
    text = page(read_run(compared))
    found = Checked(text)
    assert found.headings == [
        "Verdict: no difference can be shown",
        "Winners of each arm",
        "Test metric against step time",
        "Best, median and failures over the budget",
        "How the searches moved",
        "Activation curves of the winners",
        "Test metric against participation ratio",
        *(["Lineage"] if "Lineage" in text else []),
        "What it cost",
        "Leaderboard",
        "What was run",
    ]
    assert all(target.startswith("#") for target in found.targets)
    assert {target[1:] for target in found.targets} <= set(found.ids)
    assert len(found.ids) == len(set(found.ids))
    assert "http" not in re.sub(r"http-equiv", "", text)
    assert "evoact compare" in text
    assert len(text) < 500_000


def test_too_few_repeats_are_said_and_a_lost_arm_is_named(compared):
    run = read_run(compared)
    sentences = verdict_sentences(run)
    assert sentences[0].startswith(
        "No difference can be shown: 4 comparisons over 2 repeats each cannot pass"
    )
    assert "at least 8 repeats are needed" in sentences[0]
    (lost,) = [s for s in sentences if s.startswith("lost has no winner")]
    assert "not finite at the last step; the other arms are compared" in lost
    assert any(s.startswith("Winners were judged on 1 seed: too few") for s in sentences)
    assert not any("not measured at equal budget" in s for s in sentences)
    found = evoact.findings(compared)
    assert {gain.verdict for gain in found.against} == {Verdict.TOO_FEW}
    assert [gain.reason for gain in found.between] == ["best of drawn against best of evolved"]
    assert found.examples
    table = comparison_text(run).splitlines()
    assert [line.split("  ")[0] for line in table[-5:]] == [
        "homogeneous",
        "random",
        "evolution",
        "scaled",
        "lost",
    ]
    assert table[-1].endswith("no winner")
    assert table[-5].endswith("reference")


def test_a_control_is_no_arm_that_helps():
    """What width alone brings is said, but not counted among the arms, nor explained by scale."""
    rng = np.random.default_rng(3)
    control = "plain as large as mixed"
    means = {"plain": 0.4, "scaled": 0.45, "mixed": 0.44, control: 0.5, "worse": 0.3}
    arms = [arm(name, rng.normal(mean, 0.004, 12), rng) for name, mean in means.items()]
    found = findings(
        arms, reference="plain", scaled="scaled", controls={control: ["mixed"]}, metric="accuracy",
        direction="maximize",
    )  # fmt: skip
    sentences = found_sentences(found)
    assert sentences[0].startswith("2 of 3 arms are shown to be better than plain, scaled the most (+")
    assert sentences[0].endswith("1 to be worse.")
    assert sentences[1].startswith("scaled is better than plain: +")
    assert sentences[2].startswith(f"{control} is better than plain: +")
    assert sentences[3].startswith("Mixed against a network as large: worse")
    assert len(sentences) == 4
    shares = {gain.arm: gain.share for gain in found.against}
    assert shares[control] is None
    assert shares["mixed"] is not None


@pytest.mark.slow
def test_an_arm_that_ran_out_of_proposals_is_named(compared):
    run = read_run(compared)
    rows = run.rows.copy()
    cut = (rows["arm"] == "random") & (rows["phase"] == "search") & (rows["proposal"] == 0)
    rows.loc[cut, "gradient_examples"] = 0
    sentences = verdict_sentences(dataclasses.replace(run, rows=rows))
    (said,) = [s for s in sentences if "not measured at equal budget" in s]
    assert said.startswith("random spent 4,480 gradient-examples while others spent 5,120")


def test_the_figures_are_those_of_the_parquet_files(compared):
    """Recomputed from the stored rows with nothing of ours but the file format."""
    rows = pq.read_table(compared / "leaderboard").to_pandas()
    confirmed = rows[(rows["phase"] == "confirm") & (rows["arm"] != "lost")]
    means = confirmed.groupby(["arm", "repeat", "candidate"])[["val_metric", "test_metric"]].mean()
    chosen = pd.Index(means.groupby(["arm", "repeat"])["val_metric"].idxmax())
    judged = rows[rows["phase"] == "judge"].set_index(["arm", "repeat", "candidate"])["test_metric"]
    assert set(judged.index) == set(chosen)
    winners = judged.groupby(["arm", "repeat"]).mean()
    by_arm = winners.groupby("arm").mean()
    found = evoact.findings(compared)
    assert {s.arm.name: s.mean for s in found.standings if s.mean is not None} == pytest.approx(
        by_arm.to_dict()
    )
    for gain in found.against:
        assert gain.difference.value == pytest.approx(by_arm[gain.arm] - by_arm["homogeneous"])
    spent = rows[~rows["phase"].isin(FRESH)].groupby("arm")["gradient_examples"].sum()
    assert set(spent[spent.index != "lost"]) == {8 * 10 * 32 * 2}


@pytest.mark.slow
def test_markdown_says_the_same(compared, searched):
    for home in (compared, searched):
        run = read_run(home)
        text = markdown(run)
        assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == Checked(
            page(run)
        ).headings
        tables = [line for line in text.splitlines() if line.startswith("|")]
        assert len(tables) > 20
        assert "<svg" not in text
    assert "| evolution |" in markdown(read_run(compared))


def test_the_page_of_a_search(searched):
    text = page(read_run(searched))
    headings = Checked(text).headings
    assert headings[0].startswith("Verdict: ")
    assert headings[1] == "Confirmed candidates, seed by seed"
    assert "What it cost" not in headings
    assert re.search(r"The winner, |The winner is ", text)
    assert "22 networks trained" not in text  # those of the confirmation count, too
    assert f"{len(read_run(searched).rows)} networks trained" in text


def searched_so(run, arm, score, networks=260):
    """The run as if an arm had tried so many networks of its space, worth `score` plus noise."""
    space, draw = run.plan.part(arm, 0).space, random.Random(0)
    genomes = [space.sample(draw) for _ in range(networks)]
    first = run.rows[(run.rows["arm"] == arm) & (run.rows["phase"] == "search")].iloc[:1]
    more = pd.concat([first] * networks, ignore_index=True)
    more["proposal"] = more["candidate"] = range(1000, 1000 + networks)
    more["genome"] = [dumps(genome) for genome in genomes]
    more["val_metric"] = [score(genome) + draw.gauss(0, 0.05) for genome in genomes]
    return dataclasses.replace(run, rows=pd.concat([run.rows, more], ignore_index=True))


def test_who_is_no_better_than_always_saying_the_same_is_named(compared, searched):
    """The trivial predictor's metric comes from the run's record; it is said beside every search's winner."""
    constant = "always saying the most frequent class of the training split"
    for home in (compared, searched):
        run = read_run(home)
        known = run.record["data"]["trivial"]["test"]
        assert 0.4 < known < 0.6
        perfect = dataclasses.replace(run, record={**run.record, "data": {"trivial": {"test": 1.0}}})
        said = " ".join(sections(perfect)[0].paragraphs)
        assert f"is no better than {constant} (100.00 %): it has learned nothing" in said
        unknown = dataclasses.replace(run, record={"finished_at": "now"})
        assert constant not in " ".join(sections(unknown)[0].paragraphs)
    assert f"A{constant[1:]} gives {100 * known:.2f} %." in " ".join(sections(run)[0].paragraphs)


def test_which_choices_mattered(compared):
    run = read_run(compared)
    assert mattered(run, unit_of(run.metric)) is None  # too few candidates

    telling = searched_so(run, "random", lambda genome: choices(genome).get("hidden0 relu", 0) / 8)
    text = page(telling)
    assert "Which choices mattered" in Checked(text).headings
    section = mattered(telling, unit_of(run.metric))
    (table,) = section.tables
    assert table.headers == ("arm", "choice", "importance", "best tenth", "all candidates")
    first = table.rows[0]
    assert first[:2] == ("random", "hidden0 relu")
    assert [heading for heading, _ in section.figures] == ["random"]
    best, everywhere = (float(cell.removesuffix(" %")) for cell in first[3:])
    assert best > everywhere + 20
    assert "not what caused it" in text
    assert "| random | " in markdown(telling)

    silent = mattered(searched_so(run, "random", lambda genome: 0.0), unit_of(run.metric))
    assert (silent.tables, silent.figures) == ((), ())
    assert re.fullmatch(
        r"random: none of \d choices among 1\d\d candidates stands out beyond chance\.", *silent.paragraphs
    )


def test_of_an_unfinished_run_and_one_without_a_row(tiny_comparison, tmp_path):
    class Stop(Exception):
        pass

    def stopping(after):
        def observe(progress):
            if progress.total_done >= after:
                raise Stop

        return observe

    for after in (0, 30):
        home = tmp_path / f"run{after}"
        with pytest.raises(Stop):
            compare(comparison(tiny_comparison()), home, observe=stopping(after))
        text = page(read_run(home))
        Checked(text)
        said = "Nothing has been trained yet" if after == 0 else "This run has not finished"
        assert said in text
    pending = [s for s in verdict_sentences(read_run(home)) if "no winner" in s]
    assert pending == [
        "homogeneous; random have no winner in 1 of 2 repeats, which are left out.",
        "evolution has no winner, none is confirmed yet; the other arms are compared.",
    ]


def test_what_cannot_be_read(compared, tmp_path):
    with pytest.raises(UserError, match="expected a run directory, got"):
        read_run(tmp_path)
    shutil.copytree(compared, tmp_path / "run")
    (part,) = (tmp_path / "run" / "leaderboard").glob("*.parquet")
    newer = pq.read_table(part).replace_schema_metadata({VERSION_KEY: b"999"})
    pq.write_table(newer, tmp_path / "run" / "leaderboard" / "newer.parquet")
    run = read_run(tmp_path / "run")
    assert len(run.rows) == len(newer)
    assert any("999; upgrade evoact" in problem for problem in run.problems)
    assert "upgrade evoact to read it" in page(run)
    part.unlink()
    with pytest.raises(UserError, match=r"expected at least one readable part, got none: .*got 999"):
        read_run(tmp_path / "run")


@pytest.fixture
def command(capsys, monkeypatch, tmp_path):
    """The command in this process and an empty directory: its exit code, output, and lines of error."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([*map(str, arguments)])
        said = capsys.readouterr()
        return ended.value.code or 0, said.out, said.err.splitlines()

    return run


@pytest.mark.slow
def test_report_commands(compared, searched, command, tmp_path):
    assert command("report", compared, "--format", "md", "-o", "r.md") == (0, "r.md\n", [])
    assert (tmp_path / "r.md").read_text().startswith("# tiny\n")
    assert command("report", searched) == (0, f"{searched}/report.html\n", [])
    assert (searched / "report.html").stat().st_size > 20_000
    code, _, errors = command("report", tmp_path)
    assert (code, len(errors)) == (2, 1)


def test_the_ending_says_what_is_written(searched, command, tmp_path):
    assert command("report", searched, "-o", "r.md")[0] == 0
    assert (tmp_path / "r.md").read_text().startswith("# tiny\n")
    assert command("report", searched, "-o", "page.htm")[0] == 0
    assert (tmp_path / "page.htm").read_text().startswith("<!doctype html>")
    assert command("report", searched, "--format", "md", "-o", "plain.txt")[0] == 0
    code, _, (said,) = command("report", searched, "-o", "r.pdf")
    assert (code, said.split(";")[0]) == (2, "expected a file that ends in .html or .md, got 'r.pdf'")
    assert command("report", searched, "-o", "made/r.md")[0] == 0
    assert (tmp_path / "made" / "r.md").read_bytes() == (tmp_path / "r.md").read_bytes()
    code, _, (said,) = command("report", searched, "-o", "r.md/r.md")
    assert (code, said.split(",")[0]) == (2, "expected a file that can be written")


@pytest.fixture
def damaged(compared, tmp_path):
    """A finished comparison of the test's own to damage."""
    return Path(shutil.copytree(compared, tmp_path / "damaged"))


def test_lost_rows_are_said_before_any_figure(damaged, command):
    parts = sorted((damaged / "leaderboard").glob("*.parquet"))
    whole = len(read_run(damaged).rows)
    parts[-1].unlink()
    run = read_run(damaged)
    left = len(run.rows)
    (said,) = run.problems
    assert said.startswith(f"expected the {whole} rows of this run, got {left}, so all figures may be wrong;")
    assert page(run).index("got " + str(left)) < page(run).index("<table")
    assert not any("ran out of networks" in sentence for sentence in verdict_sentences(run))
    code, _, errors = command("report", damaged)
    assert (code, errors) == (0, [said])
    for part in parts[:-1]:
        part.unlink()
    empty = page(read_run(damaged))
    assert f"expected the {whole} rows" in empty
    assert "Nothing has been trained" not in empty


def test_a_damaged_artifact_is_named(damaged, command):
    artifact = next(w.artifact for arm in read_run(damaged).arms for w in arm.winners.values())
    file = damaged / artifact
    file.write_bytes(file.read_bytes()[:100])
    code, _, (said,) = command("report", damaged)
    assert code == 2
    assert said.startswith(f"expected a readable file of a network's learned parameters, got {str(file)!r} (")
    assert said.endswith("restore it, or delete it to report without it")
    file.unlink()
    assert command("report", damaged)[0] == 0


def test_what_is_resampled_stands_in_the_caption(damaged):
    seeds = "bootstrap over repeats and seeds"
    assert arm_table(read_run(damaged)).caption.endswith("repeats, seeds and examples")
    shutil.rmtree(damaged / "artifacts")
    assert arm_table(read_run(damaged)).caption.endswith(seeds)


def test_an_amortised_arm_with_the_winners_of_another(compared):
    run = read_run(compared)
    named = {"random", "evolution"}
    random_, evolution = (arm for arm in run.arms if arm.name in named)
    plan = dataclasses.replace(run.plan, amortised=frozenset({"evolution"}))
    said = "evolution has the winners of random: its row adds nothing"
    for winners, times in ((random_.winners, 1), (evolution.winners, 0)):
        twin = dataclasses.replace(run, plan=plan)
        twin.__dict__["arms"] = [
            dataclasses.replace(a, winners=winners) if a.name == "evolution" else a for a in run.arms
        ]
        assert sum(sentence.startswith(said) for sentence in verdict_sentences(twin)) == times


def test_all_comparisons_between_arms_have_a_row(compared):
    run = read_run(compared)
    (table,) = between_tables(run)
    assert [row[0] for row in table.rows] == [gain.reason for gain in run.findings.between]
    assert table.rows


@pytest.mark.slow
def test_the_command_that_compares(tiny_comparison, command, tmp_path):
    (tmp_path / "c.json").write_text(json.dumps(tiny_comparison(repeats=1)))  # JSON is YAML
    code, out, errors = command("compare", "c.json", "-o", "run", "--set", "training.steps=3")
    assert code == 0
    assert errors[0].startswith(
        "Comparing 3 arms, once, on faulty in this process: homogeneous, random, evolution"
    )
    assert "39 networks trained." in out
    assert "No difference can be shown" in out
    assert out.splitlines()[-1] == "Report: run/report.html"
    assert (tmp_path / "run" / "report.html").exists()
    assert "run has finished already" in command("resume", "run")[1]
    code, out, _ = command("compare", "c.json", "--dry-run")
    assert code == 0
    assert "networks            39" in out
    code, _, errors = command("compare", "c.json", "--set", "arms.random.training={steps: 7}", "-o", "other")
    assert (code, len(errors)) == (2, 1)
    assert not (tmp_path / "other").exists()
    code, said, errors = command("validate", "c.json")
    assert (code, errors) == (0, [])
    assert said.startswith("c.json: valid\n")


@pytest.mark.slow
def test_tensorboard_scalars(compared, command, scalars_of, tmp_path):
    assert command("report", compared, "--format", "tensorboard", "-o", "events") == (0, "events\n", [])
    rows = read_run(compared).rows
    assert {p.name for p in (tmp_path / "events").iterdir()} == {
        f"{arm}-{repeat}" for arm, repeat in rows[["arm", "repeat"]].itertuples(index=False)
    }
    found = scalars_of(tmp_path / "events" / "evolution-1")
    own = rows[(rows["arm"] == "evolution") & (rows["repeat"] == 1) & (rows["phase"] == "search")]
    assert [v for _, v in found["validation"]] == pytest.approx(
        own.sort_values("proposal")["val_metric"].tolist()
    )
    assert [s for s, _ in found["validation"]] == [320 * (i + 1) for i in range(8)]
    best = [v for _, v in found["best_validation"]]
    assert best == sorted(best)
    assert {"confirmed/val_metric", "confirmed/test_metric", "judged/test_metric"} <= found.keys()
    code, _, errors = command("report", compared, "--format", "tensorboard", "-o", "events")
    assert (code, errors) == (2, ["expected a new or empty directory, got 'events', which holds files"])


def test_optuna_journal(compared, command, tmp_path):
    assert command("report", compared, "--format", "optuna", "-o", "study.journal")[0] == 0
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "study.journal")))
    rows = read_run(compared).rows
    assert {s.study_name for s in optuna.get_all_study_summaries(storage)} == set(rows["arm"])
    study = optuna.load_study(study_name="evolution", storage=storage)
    own = rows[(rows["arm"] == "evolution") & (rows["phase"] == "search")].sort_values(["repeat", "proposal"])
    assert [t.value for t in study.trials] == own["val_metric"].tolist()
    assert study.best_value == own["val_metric"].max()
    assert {t.user_attrs["repeat"] for t in study.trials} == {0, 1}
    assert [t.params["rate"] for t in study.trials] == own["learning_rate"].tolist()
    assert all(len(t.params) > 3 for t in study.trials)
    lost = optuna.load_study(study_name="lost", storage=storage)
    assert {t.state.name for t in lost.trials} == {"FAIL"}
    assert command("report", compared, "--format", "optuna", "-o", "study.journal")[0] == 2


# --- the parts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("low", [1.32e10, -0.051, 0.0, 1e-7, 99_999.5, 13_200_000.0])
@pytest.mark.parametrize("spread", [0.001, 0.2, 30.0])
def test_tick_labels_lie_within_the_figure_and_tell_ticks_apart(low, spread):
    """`1.32e10` once stood there as `32e10`."""
    values = [low, low + spread * max(abs(low), 1.0)]
    boxes = [Box("one", tuple(v / 100 for v in values))]
    points = [Point("one", v, v / 100, "") for v in values]
    for figure in (
        box_plots(boxes, unit_of("accuracy"), "test"),
        scatter(points, unit_of("accuracy"), "x", "pr"),
        forest([Effect("one", values[0], *values, "no difference shown")], unit_of("mse"), "two"),
    ):
        labels = re.findall(
            r'<text x="([-\d.]+)" y="([\d.]+)"(?: text-anchor="(\w+)")? class="tick">([^<]+)<', figure.svg
        )
        assert len(labels) >= 2
        for x, _, anchor, content in labels:
            width = 6.9 * len(content)
            start = float(x) - {"end": width, "middle": width / 2}.get(anchor, 0)
            assert start >= 0, content
            assert start + width <= 460, content
        texts = [(anchor, content) for *_, anchor, content in labels]
        assert len(set(texts)) == len(texts)
