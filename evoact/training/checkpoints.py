"""The state from which a member's training continues: parameters, the optimizer's moments, recent
losses, what early stopping remembers.

Going on from a checkpoint gives the same bits as training without a stop. All else that training depends
on (batches, augmentation, the statistics of batch norms, dropout, the schedule) follows from (run seed, member, step).
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from evoact.activations.kinds import site_count
from evoact.training.members import Checkpoint
from evoact.training.pack import Pack, trained_names

LOSSES = "losses"


def checkpoint(pack: Pack, i: int) -> Checkpoint:
    """Return member i of a pack as it now is, without padding: arrays by name, in the pack's precision."""
    found = {name: _part(pack, name, t, i).cpu().numpy().copy() for name, t in _tensors(pack)}
    return found | {LOSSES: torch.stack([loss[i] for loss in pack.recent_losses]).cpu().numpy()}


@torch.no_grad()
def restore(pack: Pack) -> None:
    """Put all members of a new pack where their checkpoints are; they agree in their first step."""
    members = pack.members
    pack.step = members[0].start
    for i, member in enumerate(members):
        assert member.checkpoint is not None
        for name, tensor in _tensors(pack):
            part = _part(pack, name, tensor, i)
            part.copy_(torch.as_tensor(member.checkpoint[name]).view(part.shape))
    losses = [torch.as_tensor(m.checkpoint[LOSSES]) for m in members if m.checkpoint is not None]
    device = next(iter(pack.parameters.values())).device
    pack.recent_losses = list(torch.stack(losses, dim=1).to(device).unbind())


def _tensors(pack: Pack) -> Iterator[tuple[str, Tensor]]:
    """All that moves while a pack trains, [K, ...] each."""
    names = trained_names(pack.parameters)
    for name in names:
        yield f"parameter/{name}", pack.parameters[name].detach()
    for name, tensor in pack.progress.items():
        yield f"progress/{name}", tensor
    for moment, tensors in pack.optimizer.moments().items():
        for name, tensor in zip(names, tensors, strict=True):
            yield f"{moment}/{name}", tensor


def _part(pack: Pack, name: str, tensor: Tensor, i: int) -> Tensor:
    """A member's part of a tensor; a site's activation parameters are padded to the longest member's."""
    own = tensor[i]
    for site in pack.members[i].genome.sites:
        if name.endswith(f"/{site.site}.activation"):
            return own[: site_count(site)]
    return own
