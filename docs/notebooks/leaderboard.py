# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # Questions to a leaderboard
#
# A leaderboard is a folder of plain Parquet files: SQL here, or any program that reads Parquet.

# %%
import tempfile

import evoact

run_dir = f"{tempfile.mkdtemp()}/random"
evoact.search(
    "quickstart",
    run_dir,
    overrides=[
        "strategy={name: random}",
        "execution.backend=local",
        "budget.networks=64",
        "training.steps=100",
    ],
)
board = evoact.Leaderboard(run_dir)

# %% [markdown]
# Which learning rate suits how many types of neurons?

# %%
board.sql("""
    SELECT heterogeneous, learning_rate, count(*) AS networks, round(avg(val_metric), 3) AS validation
    FROM leaderboard WHERE phase = 'search' AND state = 'completed'
    GROUP BY ALL ORDER BY validation DESC
""").to_pandas()

# %% [markdown]
# What failed, and why?

# %%
board.sql("SELECT state, count(*) AS networks FROM leaderboard GROUP BY state").to_pandas()

# %% [markdown]
# The same rows with pandas, without evoact:

# %%
import pandas

pandas.read_parquet(f"{run_dir}/leaderboard")[["label", "val_metric"]].describe()
