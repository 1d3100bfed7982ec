"""The best candidates in a table that readers can sort and filter."""

import numpy as np

from evoact.report.comparison_text import TextTable
from evoact.report.number_format import NOTHING, Unit
from evoact.report.run import RunData
from evoact.report.sections.section import Section


def section(run: RunData, unit: Unit) -> Section | None:
    if not len(run.shown):
        return None
    columns = ["rank"]
    columns += [name for name in ("arm", "repeat") if run.arms]
    columns += ["candidate", "label", "val_mean", "seeds"]
    columns += [n for n in ("test_mean", "test_large_mean") if run.shown[n].notna().any()]
    columns += ["learning_rate", "phase"]
    named = {
        "label": "activations",
        "val_mean": "validation",
        "test_mean": "test",
        "test_large_mean": "test (large)",
        "learning_rate": "learning rate",
    }
    metrics = {"val_mean", "test_mean", "test_large_mean"}
    rows = tuple(
        tuple(unit.value(v) if n in metrics else _cell(v) for n, v in zip(columns, values, strict=True))
        for values in run.shown[columns].itertuples(index=False, name=None)
    )
    total = run.rows.drop_duplicates(["arm", "repeat", "candidate"]).shape[0]
    caption = f"The best {len(rows):,} of {total:,} candidates, confirmed ones first; "
    caption += f"evoact leaderboard RUN_DIR --top {total} shows all"
    table = TextTable(
        caption, tuple(named.get(n, n) for n in columns), rows, frozenset(("arm", "activations", "phase"))
    )
    return Section("leaderboard", "Leaderboard", sortable=table)


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return NOTHING
    return f"{value:.4g}" if isinstance(value, float) else str(value)
