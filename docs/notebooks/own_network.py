# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # Your own network
#
# `evoact.heterogenize` finds every activation call of a PyTorch network and makes a site of it. The copy computes what
# the original does, until you change what its neurons are.

# %%
import torch
from torch import nn

import evoact


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.hidden, self.head = nn.Linear(8, 32), nn.Linear(32, 32), nn.Linear(32, 3)

    def forward(self, x):
        h = torch.relu(self.embed(x))
        h = h + nn.functional.gelu(self.hidden(h))
        return self.head(h)


torch.manual_seed(0)
x = torch.randn(5, 8)
model = Classifier()
mixed, found = evoact.heterogenize(model, x)
print(found)
torch.equal(mixed(x), model(x))

# %% [markdown]
# Give the neurons of a site other types, in the words in which leaderboards print them:

# %%
layer = evoact.nn.MixedActivation("16 sin + 16 convex(relu,tanh)", dim=1)
layer
