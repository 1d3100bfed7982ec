# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # A search, start to end
#
# MNIST-1D: forty numbers a digit, ten classes, small enough that a network trains in a second. Here the search is made
# tiny, so that this page is built in a minute; `evoact search quickstart` is the whole one.

# %%
import tempfile

import evoact

run_dir = f"{tempfile.mkdtemp()}/first"
finished = evoact.search(
    "quickstart",
    run_dir,
    overrides=["execution.backend=local", "budget.networks=48", "training.steps=150", "confirm.seeds=2"],
)
finished.networks, finished.failures

# %% [markdown]
# The summary names the best network that the search found, the best of homogeneous networks (one function for all
# neurons), and the winner of both. Test figures come from fresh seeds, which took no part in the choice.

# %%
summary = finished.summary
for network in (summary.best_found, summary.best_baseline):
    print(f"{network.label}: {network.test:.1%}")

# %% [markdown]
# Every trained network is a row.

# %%
board = evoact.Leaderboard(run_dir)
columns = ["candidate", "phase", "seed", "val_metric", "learning_rate", "n_parameters"]
board.to_pandas()[columns].sort_values("val_metric", ascending=False).head()

# %% [markdown]
# The winner is an ordinary PyTorch module.

# %%
network = evoact.load(run_dir)
network
