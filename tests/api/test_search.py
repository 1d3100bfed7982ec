"""Searches from data and keywords, and from configs: what `evoact.search` and `evoact.resume` do."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from torch import nn

import evoact
from evoact import registry
from evoact.api import search
from evoact.api.search_result import SearchResult
from evoact.code_text import executed
from evoact.errors import UserError
from evoact.networks.own.conversion import converted

QUICK = {
    "network": {"name": "mlp", "hidden": [8]},
    "training": {"steps": 10},
    "budget": {"networks": 8},
    "confirm": {"candidates": 2, "baselines": 1, "seeds": 2, "judge": 3},
    "packs": {"size": 8},
    "execution": {"backend": "local"},
    "strategy": "random",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of unscaled features."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 3)) * [1, 100, 0.01]
    path = tmp_path_factory.mktemp("data") / "two classes.npz"
    np.savez(path, x=x, y=(np.sin(2 * x[:, 0]) > 0).astype(int))
    return path


@pytest.fixture(scope="module")
def space(tiny):
    return tiny()["space"]


def test_data_alone_is_searched_with_defaults(data, space, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = evoact.search(data=data, space=space, **QUICK)
    assert isinstance(found, SearchResult)
    assert found.complete
    (run_dir,) = (tmp_path / "runs").iterdir()
    assert run_dir.name.startswith("two classes-")
    config = (run_dir / "config.yaml").read_text()
    assert "batch_size: 60" in config  # no larger than the training split
    assert "name: table" in config
    assert found.predict(np.load(data)["x"][:4]).shape == (4,)


@pytest.mark.slow
def test_minutes_are_those_of_everything(data, space, tmp_path):
    keys = {key: value for key, value in QUICK.items() if key not in ("budget", "training")}
    found = evoact.search(data=data, minutes=0.05, space=space, run_dir=tmp_path / "run", **keys)
    config = evoact.api.search.config_of(evoact.api.search.Location.of(found.run_dir))
    assert found.complete
    assert config["training"]["steps"] >= 200
    assert 0 < config["budget"]["minutes"] < 0.05


def test_a_run_that_is_there_is_an_error_gone_on_with_or_replaced(data, space, tmp_path):
    asked = dict(data=data, run_dir=tmp_path / "run", space=space, **QUICK)
    first = evoact.search(**asked)
    with pytest.raises(UserError, match="expected a new run directory"):
        evoact.search(**asked)
    assert evoact.search(**asked, if_exists="resume").networks == first.networks
    other = asked | {"training": {"steps": 11}}
    with pytest.raises(UserError, match=r"expected training.steps 10, as when this run began, got 11"):
        evoact.search(**other, if_exists="resume")
    assert evoact.search(**other, if_exists="replace").complete
    with pytest.raises(UserError, match="unknown if_exists 'keep'"):
        evoact.search(**asked, if_exists="keep")


def test_replacing_is_for_runs_alone(data, space, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match=r"which holds .thesis\.tex. and is not a run"):
        evoact.search(data=data, run_dir=tmp_path, space=space, **QUICK, if_exists="replace")
    assert (tmp_path / "thesis.tex").exists()


def test_the_keyboard_keeps_what_is_finished(data, space, tmp_path):
    def stop(progress):
        if progress.phase == "search" and progress.done:
            raise KeyboardInterrupt

    asked = dict(data=data, run_dir=tmp_path / "run", space=space, **QUICK)
    stopped = evoact.search(**asked, observe=stop)
    assert not stopped.complete
    assert stopped.best is None
    assert len(stopped.leaderboard) > 0
    assert stopped.verdict.startswith(f"Stopped after {stopped.networks} networks; evoact.resume(")
    assert "Stopped after" in stopped._repr_html_()
    with pytest.raises(UserError, match="expected confirmed candidates, got none"):
        stopped.plot_curves()
    assert evoact.resume(tmp_path / "run").best is not None


def test_the_keyboard_before_the_first_network(data, space, tmp_path):
    def stop(progress):
        raise KeyboardInterrupt

    stopped = evoact.search(data=data, run_dir=tmp_path / "run", space=space, **QUICK, observe=stop)
    assert len(stopped.leaderboard) == stopped.networks == 0
    assert stopped._repr_html_().startswith("<p>Stopped after 0 networks")


@pytest.mark.slow
def test_keywords_take_the_place_of_a_configs_keys(config_file, tiny, tmp_path):
    found = evoact.search(config_file(), tmp_path / "a", ["seed=3"], training={"steps": 5, "batch_size": 8})
    config = (tmp_path / "a" / "config.yaml").read_text()
    assert found.complete
    assert "seed: 3" in config
    assert "steps: 5" in config
    found = evoact.search(tiny(), tmp_path / "b", ["space.types_per_layer=[1, 1]"], strategy="random")
    assert "types_per_layer:\n  - 1\n  - 1\n" in (tmp_path / "b" / "config.yaml").read_text()


def test_nothing_to_search_on_is_said(tmp_path):
    with pytest.raises(UserError, match=r"expected a config, or data, to search on, got neither"):
        evoact.search(minutes=1)


def test_data_in_memory_lies_in_the_run_directory_from_then_on(space, tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"age": rng.normal(40, 9, 100), "sex": rng.choice(["f", "m"], 100)})
    frame["risk"] = np.where(frame["age"] > 41, "high", "low")
    asked = dict(target="risk", run_dir=tmp_path / "run", space=space, **QUICK)
    found = evoact.search(data=frame, **asked)
    assert [path.name for path in (tmp_path / "run" / "data").iterdir()] == ["table.parquet"]
    assert set(found.predict(frame.drop(columns="risk"))) <= {"high", "low"}
    assert evoact.search(data=frame, **asked, if_exists="resume").networks == found.networks
    other = frame.assign(age=frame["age"] ** 2)
    with pytest.raises(UserError, match="expected the data on which this run began"):
        evoact.search(data=other, **asked, if_exists="resume")
    kept = (tmp_path / "run" / "data" / "table.parquet").read_bytes()
    with pytest.raises(UserError, match="expected a new run directory"):
        evoact.search(data=other, **asked)
    assert (tmp_path / "run" / "data" / "table.parquet").read_bytes() == kept
    (tmp_path / "run").rename(tmp_path / "moved")  # the data goes with it
    assert evoact.resume(tmp_path / "moved").complete


@pytest.mark.parametrize("metric", ["mae", "r2"])
def test_metrics_by_name(metric, space, tmp_path):
    x = np.random.default_rng(0).normal(size=(100, 2))
    found = evoact.search(
        data=x,
        target=x[:, 0] * 9,
        metric=metric,
        run_dir=tmp_path / "run",
        space=space,
        **QUICK,
    )
    assert found.summary.metric == metric


def nearly(outputs, targets):
    """A score of each example: whether it is off by less than 1."""
    return ((outputs - targets).abs().amax(dim=1) < 1).double()


def test_a_function_as_metric_is_needed_where_networks_are_judged_alone(space, tmp_path, monkeypatch):
    x = np.random.default_rng(0).normal(size=(100, 2))
    asked = dict(
        data=x,
        target=50 + 9 * x[:, 0],
        metric=nearly,
        run_dir=tmp_path / "run",
        space=space,
        **QUICK,
    )
    found = evoact.search(**asked)
    assert found.summary.metric.startswith("nearly@")
    assert 0 <= found.best.test <= 1
    assert evoact.search(**asked, if_exists="resume").networks == found.networks
    monkeypatch.setattr(registry, "_GIVEN", {})  # as in another process
    page = Path(evoact.write_report(tmp_path / "run", "md", tmp_path / "report.md")).read_text()
    assert "Best found minus best baseline" in page or "nearly" in page
    assert 20 < evoact.load(tmp_path / "run").predict(x).mean() < 80
    with pytest.raises(UserError, match=r"the metric nearly@.* got none; give it with metric="):
        evoact.export(tmp_path / "run", tmp_path / "home")


CODE = """
from pathlib import Path

from torch import nn

Path({marker!r}).touch()


def make(input_shape, n_outputs, width=6):
    return nn.Sequential(nn.Linear(input_shape[0], width), nn.ReLU(), nn.Linear(width, n_outputs))
"""
OWN = {**{key: value for key, value in QUICK.items() if key != "network"}, "strategy": "random"}


def test_an_own_network_is_executed_by_whatever_trains_it_alone(data, space, tmp_path):
    marker, run_dir = tmp_path / "executed", tmp_path / "run"
    (tmp_path / "model.py").write_text(CODE.format(marker=str(marker)))
    network = {"name": "own", "file": str(tmp_path / "model.py"), "build": "make", "arguments": {"width": 5}}
    found = evoact.search(data=data, space=space, run_dir=run_dir, network=network, **OWN)
    assert found.complete
    assert evoact.load(run_dir).predict(np.load(data)["x"][:4]).shape == (4,)
    (tmp_path / "model.py").write_text("raise ValueError")  # the run has the text
    marker.unlink()
    executed.cache_clear()
    converted.cache_clear()
    evoact.write_report(run_dir)
    assert evoact.Leaderboard(run_dir).top(3).num_rows == 3
    assert evoact.resume(run_dir).complete
    assert not marker.exists()
    assert evoact.load(run_dir).predict(np.load(data)["x"][:4]).shape == (4,)
    assert marker.exists()


def test_a_run_goes_on_with_the_code_with_which_it_began(data, space, tmp_path):
    run_dir = tmp_path / "run"
    (tmp_path / "model.py").write_text(CODE.format(marker=str(tmp_path / "executed")))
    network = {"name": "own", "file": str(tmp_path / "model.py"), "build": "make"}

    def stop(progress):
        if progress.done:
            raise KeyboardInterrupt

    begun = evoact.search(data=data, space=space, run_dir=run_dir, network=network, observe=stop, **OWN)
    assert not begun.complete
    config = (run_dir / "config.yaml").read_text()
    (run_dir / "config.yaml").write_text(config.replace("nn.ReLU()", "nn.Tanh()"))
    with pytest.raises(
        UserError, match=r"expected network.text with digest \w+, as when this run began, got with digest"
    ):
        evoact.resume(run_dir)
    (run_dir / "config.yaml").write_text(config.replace("  found:\n    '1': 6\n", ""))
    with pytest.raises(UserError, match=r"expected network.found, the sites that the search found, got none"):
        evoact.write_report(run_dir)
    (run_dir / "config.yaml").write_text(config)
    assert evoact.resume(run_dir).complete


def build(n_outputs):
    return nn.Sequential(nn.Linear(3, 4), nn.GELU(), nn.Linear(4, n_outputs))


def test_models_as_objects(data, space, tmp_path):
    found = evoact.search(data=data, space=space, run_dir=tmp_path / "built", model=build, **OWN)
    assert found.complete
    assert "    def build(n_outputs):\n" in (tmp_path / "built" / "config.yaml").read_text()
    module = build(2)
    keys = {**OWN, "training": {"steps": 10, "train": "activations"}}
    tuned = evoact.search(data=data, space=space, run_dir=tmp_path / "tuned", model=module, **keys)
    kept = evoact.load(tuned.run_dir, seed="all")
    weights = kept.tensors()["0.weight"]
    assert torch.equal(weights, module.state_dict()["0.weight"].expand_as(weights))
    written = found.export(tmp_path / "source")
    assert "def build(n_outputs):\n" in (written / "model.py").read_text()
    written = tuned.export(tmp_path / "no_source")
    assert not (written / "model.py").exists()
    assert (
        "| no `model.py` | expected a function that builds Sequential" in (written / "README.md").read_text()
    )
    x = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    program = torch.export.load(written / "model.pt2").module()
    assert np.allclose(
        program(torch.tensor(x)).detach(), evoact.load(written)(torch.tensor(x)).detach(), atol=1e-6
    )
    with pytest.raises(UserError, match="expected model or network, got both"):
        evoact.search(data=data, model=build, **QUICK)
    with pytest.raises(
        UserError, match=r"expected model as a torch\.nn\.Module, or a function that builds one, got 3"
    ):
        evoact.search(data=data, model=3, **OWN)


def distributed():
    import torch.distributed as dist

    if not dist.is_initialized():
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    return nn.parallel.DistributedDataParallel(layers())


def layers(first=nn.Linear):
    return nn.Sequential(first(3, 4), nn.ReLU(), nn.Linear(4, 2))


def on_meta():
    with torch.device("meta"):
        return layers()


UNFIT = {
    "no activation": (
        lambda: nn.Linear(3, 2),
        "expected a network that calls an activation on this example, got none",
    ),
    "DataParallel": (lambda: nn.DataParallel(layers()), r"got DataParallel around it; give its \.module"),
    "DDP": (distributed, r"got DistributedDataParallel around it; give its \.module"),
    "compiled": (lambda: torch.compile(layers()), r"got OptimizedModule around it; give its \._orig_mod"),
    "lazy": (
        lambda: layers(lambda _, n: nn.LazyLinear(n)),
        "expected initialised layers, got LazyLinear '0'",
    ),
    "quantised": (
        lambda: torch.ao.quantization.quantize_dynamic(layers(), {nn.Linear}),
        "expected layers in floating point, got Linear '0'",
    ),
    "scripted": (lambda: torch.jit.script(layers()), "expected modules in Python, got a scripted one"),
    "exported": (
        lambda: torch.export.export(layers(), (torch.zeros(2, 3),)).module(),
        "expected modules in Python, got an exported program",
    ),
    "double": (lambda: layers().double(), r"in torch\.float32, got torch\.float64; call its \.float\(\)"),
    "meta": (on_meta, "without numbers on meta|on the CPU, got one on meta"),
    "another width": (
        lambda: nn.Sequential(nn.Linear(7, 3), nn.ReLU()),
        "expected an example that Sequential takes",
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("given", ["function", "module"])
@pytest.mark.parametrize("case", UNFIT)
def test_a_model_that_cannot_be_searched_in_is_refused_in_a_sentence(case, given, data, space, tmp_path):
    build, words = UNFIT[case]
    with pytest.raises(UserError, match=words) as caught:
        evoact.search(
            data=data,
            space=space,
            run_dir=tmp_path / "run",
            model=build if given == "function" else build(),
            **OWN,
        )
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_model_is_to_be_given_again_in_another_process(data, space, tmp_path):
    def stop(progress):
        if progress.done:
            raise KeyboardInterrupt

    run_dir = tmp_path / "run"
    evoact.search(data=data, space=space, run_dir=run_dir, model=build, observe=stop, **OWN)
    known = registry._GIVEN.copy()
    registry._GIVEN.clear()
    converted.cache_clear()
    with pytest.raises(UserError, match=r"expected the network build@\w+ that this run began with, got none"):
        evoact.resume(run_dir)
    assert evoact.resume(run_dir, model=build).complete
    registry._GIVEN.update(known)


class TwoHeads(nn.Module):
    """Gives a mapping, as networks with several outputs do."""

    def __init__(self):
        super().__init__()
        self.body, self.mean, self.spread = nn.Linear(3, 5), nn.Linear(5, 1), nn.Linear(5, 1)

    def forward(self, x):
        h = torch.tanh(self.body(x))
        return {"mean": self.mean(h), "log_variance": self.spread(h)}


def likelihood(outputs, targets):
    """The negative logarithm of a normal density, but for a constant."""
    error, spread = outputs["mean"] - targets, outputs["log_variance"]
    return (error.square() * torch.exp(-spread) + spread).flatten(1).mean(1)


def within_half(outputs, targets):
    return ((outputs["mean"] - targets).abs() < 0.5).flatten(1).double().mean(1)


def test_losses_and_metrics_as_functions_of_whatever_a_model_gives(space, tmp_path):
    x = np.random.default_rng(0).normal(size=(100, 3)).astype("f")
    both = {"data": (x, np.sin(x[:, 0])), "space": space, **OWN, "execution": {"backend": "local"}}
    found = evoact.search(
        run_dir=tmp_path / "run",
        model=TwoHeads,
        loss=likelihood,
        metric=within_half,
        **both,
    )
    assert found.complete
    board = evoact.Leaderboard(tmp_path / "run").to_pandas()
    assert set(board["direction"]) == {"maximize"}
    assert board["metric"][0].startswith("within_half@")
    assert board["val_metric"].between(0, 1).all()
    evoact.write_report(tmp_path / "run")
    named = evoact.search(run_dir=tmp_path / "named", loss="mae", network=QUICK["network"], **both)
    assert named.complete
    with pytest.raises(UserError, match="unknown loss 'hubber'; did you mean 'huber'"):
        evoact.search(run_dir=tmp_path / "bad", loss="hubber", network=QUICK["network"], **both)
    with pytest.raises(
        UserError, match=r"to give a number for each of .* examples, got .*leave out the mean"
    ):
        evoact.search(
            run_dir=tmp_path / "mean",
            loss=lambda y, t: (y - t).square().mean(),
            network=QUICK["network"],
            **both,
        )


def test_a_mistake_in_data_in_memory_names_no_file(space):
    """Nobody knows the file that it lies in until the run has a directory."""
    frame = pd.DataFrame({"a": np.arange(40.0), "y": ["rare", *["yes", "no"] * 19, "no"]})
    with pytest.raises(UserError) as error:
        evoact.search(data=frame, target="y", space=space, **QUICK)
    assert str(error.value).startswith(
        "search: task: data: expected at least 2 rows of each class in y, got 1"
    )
    with pytest.raises(UserError) as error:
        evoact.search(data=frame, target="z", space=space, **QUICK)
    assert str(error.value) == "search: data: task.target: unknown column 'z'; known: a, y"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((0, 5)), "expected at least one row to predict, got none"),
        (
            "mine.csv",
            r"expected inputs as the data has them, an array .*, got 'mine.csv'; read a file before",
        ),
        (
            np.zeros((3, 4)),
            r"expected numbers \[n, 5\], as the network was trained on, got float64 of shape \(3, 4\)",
        ),
    ],
)
def test_what_cannot_be_predicted_is_a_sentence(sparse, given, message):
    with pytest.raises(UserError, match=message):
        sparse[0].predict(given)


def test_sparse_matrices_are_searched_and_predicted(sparse):
    found, x = sparse
    assert (found.predict(x) == found.predict(x.toarray())).all()


@pytest.fixture(scope="module")
def sparse(space, tmp_path_factory):
    x = scipy.sparse.random(60, 5, 0.5, format="coo", random_state=0)
    place = tmp_path_factory.mktemp("sparse") / "run"
    return evoact.search(data=(x, np.arange(60) % 2), run_dir=place, space=space, **QUICK), x


def test_a_short_search_goes_where_it_is_sent(tmp_path, space):
    """Less than a minute is not worth workers of this machine's own, but somebody named a cluster."""
    data = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 2
    sections = {**QUICK, "space": space, "packs": {"size": 4}}
    sections.pop("execution", None)
    asked = search.Asked(data=data, minutes=0.1, sections=sections)
    with pytest.raises(UserError, match="expected a Ray cluster at --address 'localhost:1', got none"):
        search.search(asked, tmp_path / "run", address="localhost:1")
