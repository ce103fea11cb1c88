"""A wider or deeper network that begins as what a trained smaller one of its family does.

Net2Net (Chen et al. 2016, "Net2Net: Accelerating Learning via Knowledge Transfer"), with fresh channels
beside the old ones instead of copies of them: what they put out is ignored by the old channels at first, so
nothing needs to break a symmetry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    Renamed = Callable[[str], str]
    Parts = Callable[[str], int]


@torch.no_grad()
def grow(
    network: nn.Module,
    trained: Mapping[str, Tensor],
    renamed: Renamed = lambda name: name,
    parts: Parts = lambda _name: 1,
) -> None:
    """Copy a smaller network's state into the first channels of each layer of ``network``.

    Args:
        network: Freshly initialised; at least as wide as ``trained`` in every layer. Layers that ``trained``
            lacks keep what they have, and have to start as the identity.
        trained: State of the smaller network.
        renamed: From a name in ``trained`` to the one in ``network``.
        parts: How many tensors are concatenated to make the inputs of the layer of that (new) name.

    Raises:
        ValueError: A layer of ``network`` is missing, narrower or of another kernel.
    """
    state = network.state_dict()
    for name, old in trained.items():
        new = state.get(renamed(name))
        if (
            new is None
            or new.ndim != old.ndim
            or any(n < o for n, o in zip(new.shape, old.shape, strict=True))
        ):
            msg = f"{name} of the trained network doesn't fit into the larger one: choose a wider variant"
            raise ValueError(msg)
        _place(new, old, parts(renamed(name)))


def _place(new: Tensor, old: Tensor, parts: int) -> None:
    """Write ``old`` into ``new``; the old outputs take nothing from the inputs that are new."""
    if old.ndim == 0:
        new.copy_(old)
    elif old.ndim == 1:
        new[: len(old)] = old
    else:
        outputs, inputs = old.shape[0], old.shape[1] // parts
        grown_inputs = new.shape[1] // parts
        new[:outputs] = 0.0
        for part in range(parts):
            place = part * grown_inputs
            new[:outputs, place : place + inputs] = old[:, part * inputs : (part + 1) * inputs]
