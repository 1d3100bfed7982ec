"""The tables in benchmarks/tables: whole, of the configs beside them, and what training gives."""

from pathlib import Path

import numpy as np
import pytest

from evoact.config import experiment, load
from evoact.execution.tabulate import tabulation
from evoact.genomes.genome import fingerprint, loads
from evoact.leaderboard.table_file import at, read_table
from evoact.training.loop import train_pack
from evoact.training.members import Member

TABLES = sorted((Path(__file__).parents[2] / "benchmarks" / "tables").glob("*.parquet"))


@pytest.mark.parametrize("file", TABLES, ids=lambda file: file.stem)
def test_a_shipped_table_holds_what_its_config_says(file):
    table, made = read_table(file), load(file.with_suffix(".yaml"))
    assert len(table.genomes) == made.space.size()
    assert table.missing(list(table.position), table.seeds) == 0
    assert table.about["steps"] == made.steps
    assert list(table.checkpoints) == (made.config.training.curve_at or [])
    for step in table.checkpoints:
        assert np.isfinite(table.metrics[at("val_metric", step)]).all()
        assert np.isfinite(table.metrics[at("train_loss", step)]).all()
    assert len(table.search_seeds) == len(table.truth_seeds) == len(table.seeds) // 2
    stored, whole = experiment(table.about["config"]).config, tabulation(made, len(table.seeds)).config
    for section in ("task", "network", "space", "training", "seed", "test_splits"):
        assert getattr(stored, section) == getattr(whole, section)
    assert np.isfinite(table.truth()).all()


@pytest.mark.slow
@pytest.mark.parametrize("file", TABLES, ids=lambda file: file.stem)
def test_rows_of_a_shipped_table_are_what_training_gives(file):
    """The same to the last digit on the processor that made them; elsewhere hundreds of steps of float32 come apart,
    and single networks differ as two seeds do, but not in the mean."""
    table, made = read_table(file), load(file.with_suffix(".yaml"))
    places = np.linspace(0, len(table.genomes) - 1, 24).astype(int)
    seeds = [table.search_seeds[i % len(table.search_seeds)] for i in range(len(places))]
    genomes = [loads(table.genomes[i]) for i in places]
    members = [
        Member(genome, f"{fingerprint(genome)}-{seed}", seed, made.steps)
        for genome, seed in zip(genomes, seeds, strict=True)
    ]
    again = train_pack(members, made.network, made.task, made.training, made.seed)
    cells = places, [table.seeds.index(seed) for seed in seeds]
    found = {"val_metric": [outcome.metrics["validation"] for outcome in again]}
    for i, step in enumerate(table.checkpoints):
        found[at("val_metric", step)] = [outcome.curve[i].val_metric for outcome in again]
    for name, values in found.items():
        stored, trained = table.metrics[name][cells], np.array(values)
        if made.task.direction == "minimize":  # in decades: seeds differ by 0.2
            stored, trained = np.log10(stored) / 5, np.log10(trained) / 5
        assert abs((trained - stored).mean()) < 0.02
        assert np.abs(trained - stored).max() < 0.15
