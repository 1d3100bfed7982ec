"""The best candidates in a table that readers filter, group and sort."""

import pandas as pd

from evoact.errors import counted
from evoact.report.data_table import Column, DataTable
from evoact.report.number_format import Unit
from evoact.report.run import RunData
from evoact.report.sections.section import Section

MOST_LETTERS = 2_500_000  # of labels, so that the page of large networks stays small
METRIC = "validation"  # what a number without a name is compared with

_KEY = ["arm", "repeat", "candidate"]


def section(run: RunData, unit: Unit) -> Section | None:
    if not len(run.shown):
        return None
    shown = _with_details(run)
    shown = shown[shown["label"].str.len().cumsum() <= MOST_LETTERS]
    total = run.rows.drop_duplicates(_KEY).shape[0]
    caption = (
        f"The best {len(shown):,} of {total:,} candidates, confirmed ones first"
        if len(shown) < total
        else f"All {counted(total, 'candidate')}, confirmed ones first"
    )
    table = DataTable(caption, _columns(shown, unit, bool(run.arms)), _ids(shown, run), METRIC)
    return Section("leaderboard", "Leaderboard", sortable=table)


def _with_details(run: RunData) -> pd.DataFrame:
    """The ranking with what the rows know beyond it."""
    details = ["n_parameters", "strategy", "generation"]
    known = run.rows.drop_duplicates(_KEY)[[*_KEY, *details]]
    return run.shown.merge(known, how="left", on=_KEY, sort=False)


def _columns(rows: pd.DataFrame, unit: Unit, compared: bool) -> tuple[Column, ...]:
    values = {name: rows[name].tolist() for name in rows}
    mixed = ["yes" if flag else "no" for flag in values["heterogeneous"]]
    found = [
        Column("rank", values["rank"], decimals=0),
        Column("arm", values["arm"], words=True),
        Column("repeat", values["repeat"], decimals=0),
        Column("candidate", values["candidate"], decimals=0),
        Column("activations", values["label"], words=True),
        Column(METRIC, values["val_mean"], unit, measured=True),
        Column("seeds", values["seeds"], decimals=0),
        Column("test", values["test_mean"], unit, measured=True),
        Column("test (large)", values["test_large_mean"], unit, measured=True),
        Column("learning rate", values["learning_rate"]),
        Column("phase", values["phase"], words=True),
        Column("mixed", mixed, words=True, shown=False),
        Column("parameters", values["n_parameters"], decimals=0, measured=True, shown=False),
        Column("strategy", values["strategy"], words=True, shown=False),
        Column("generation", values["generation"], decimals=0, shown=False),
    ]
    told = {c.name for c in found if c.words or c.name == METRIC or not pd.isna(c.values).all()}
    return tuple(c for c in found if c.name in told and (compared or c.name not in ("arm", "repeat")))


def _ids(rows: pd.DataFrame, run: RunData) -> tuple[str, ...]:
    """A row's place in links: its candidate, in a comparison after the numbers of its arm and repeat."""
    if not run.arms:
        return tuple(map(str, rows["candidate"]))
    number = {arm: i for i, arm in enumerate(run.plan.arms)}
    keys = rows[_KEY].itertuples(index=False, name=None)
    return tuple(f"{number[arm]}-{repeat}-{candidate}" for arm, repeat, candidate in keys)
