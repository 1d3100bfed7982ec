"""What a run directory says about itself; damage is a sentence for whoever asks, command or analysis."""

import json

import pytest
import yaml

from evoact.config import experiment
from evoact.config.stored_plan import experiment_of, plan_of
from evoact.errors import UserError
from evoact.execution.run import resume
from evoact.leaderboard.location import Location
from evoact.leaderboard.run_files import is_finished, record_of, write_record
from evoact.report.run import read_run
from evoact.studies.confirmed_networks import confirmed_networks


def test_a_config_gives_its_plan_back(tiny, tiny_comparison, tmp_path):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(tiny()))
    assert experiment_of(tmp_path).config == plan_of(str(tmp_path)).config == experiment(tiny()).config
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(tiny_comparison(), sort_keys=False))
    assert list(plan_of(tmp_path).arms) == ["homogeneous", "random", "evolution"]
    with pytest.raises(UserError, match="expected the run directory of a search, got that of a comparison"):
        confirmed_networks(str(tmp_path))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "without config.yaml; `evoact search` and `evoact compare` make one"),
        (
            "task: [unclosed",
            "config.yaml: expected the config that the search wrote, got a file that cannot be",
        ),
        ("text", "config.yaml: expected the config that the search wrote, got a damaged or foreign file"),
    ],
)
def test_analyses_say_what_is_wrong_with_a_directory(content, said, tmp_path):
    if content is not None:
        (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(UserError, match=said):
        confirmed_networks(str(tmp_path))


def test_a_record_says_whether_the_run_has_ended(tiny, tmp_path):
    home = Location.of(tmp_path)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(tiny()))
    for finished_at in (None, "2026-01-01T00:00:00+00:00"):
        write_record(home, {"finished_at": finished_at})
        assert record_of(home) == {"finished_at": finished_at}
        assert is_finished(home) == (finished_at is not None)
    write_record(home, {"evoact": "0.1.0"})
    with pytest.raises(UserError, match="got one without 'finished_at'"):
        is_finished(home)


def test_a_record_with_another_number_is_refused_until_somebody_owns_up_to_it(tmp_path):
    home, file = Location.of(tmp_path), tmp_path / "run.json"
    record = {"finished_at": None, "data": {"means": [0.25, "é"]}}
    write_record(home, record)
    assert record_of(home) == record
    file.write_text(json.dumps(json.loads(file.read_text())))  # written in another way
    assert record_of(home) == record
    file.write_text(file.read_text().replace("0.25", "0.27"))
    with pytest.raises(
        UserError, match=r"run\.json: expected the record .*, got one with another checksum; restore"
    ):
        record_of(home)
    changed = json.loads(file.read_text())
    del changed["sum"]
    file.write_text(json.dumps(changed))
    assert record_of(home)["data"] == {"means": [0.27, "é"]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]", "a damaged or foreign file"),
        ("[" * 100_000, "a file that cannot be read"),
        ('{"finished_at": 1}', "one with 'finished_at' of '1'"),
        ('{"finished_at": null, "machine": []}', "one with 'machine' of "),
        ('{"finished_at": null, "machine": {"packages": [1]}}', "one with 'packages' of "),
        ('{"finished_at": "x", "networks": "many"}', "one with 'networks' of 'many'"),
        ('{"finished_at": null, "trains": {"common": []}}', "one with 'trains' of another shape"),
        (
            '{"finished_at": null, "trains": {"common": {}, "arms": {"a": 1}}}',
            "one with 'trains' of another shape",
        ),
        ('{"finished_at": null, "data": "x"}', "one with 'data' of 'x'"),
        (
            '{"finished_at": null, "run": "%s"}' % ("x" * 17_000_000),
            "a file that cannot be read .more than 16,777,216 bytes",
        ),
    ],
    ids=range(10),
)
def test_a_record_of_another_shape_is_one_sentence(content, said, tiny, tmp_path):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(tiny()))
    (tmp_path / "run.json").write_text(content)
    for ask in (read_run, resume, lambda run_dir: plan_of(run_dir, data=False)):
        with pytest.raises(
            UserError, match=f"run.json: expected the record that the search wrote, got {said}"
        ) as error:
            ask(tmp_path)
        assert "\n" not in str(error.value)
        assert len(str(error.value)) < 1000


def test_an_outline_of_another_shape_is_one_sentence(tiny, tmp_path):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(tiny()))
    for task in (
        {},
        {"metric": "mse", "direction": "minimize", "input_shape": [-1], "n_outputs": 1, "examples": {}},
    ):
        write_record(Location.of(tmp_path), {"finished_at": None, "task": task})
        with pytest.raises(
            UserError, match=r"run.json: expected the outline of a task, got .*; restore the file"
        ):
            plan_of(tmp_path, data=False)
