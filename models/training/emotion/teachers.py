"""What trained networks answer, as a part of what another one is taught (Hinton et al. 2015).

The teachers look at the very view the student gets, turned, relit, blended and all (Beyer et al. 2022,
"Knowledge distillation: A good teacher is patient and consistent"). Answers on the plain image would be the
same in every epoch, and half learnt by heart with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from models.networks import MobileNetEmotion

TEACHER_SHARE: Final = 0.5
"""Of a target that is the teachers' answer; the rest is people's."""


class Teachers:
    """Networks that are asked and don't learn; there may be none."""

    def __init__(self, networks: Sequence[MobileNetEmotion]) -> None:
        self._networks = tuple(network.eval().requires_grad_(requires_grad=False) for network in networks)

    @torch.no_grad()
    def corrected(self, targets: Tensor, images: Tensor) -> Tensor:
        """Targets ``(N, C)`` brought towards the mean answer on float ``(N, 1, S, S)`` images.

        Each gets them at the size it learnt with. Every other teacher, the first among them, sees the mirror
        image: two views for the price of one.
        """
        if not self._networks:
            return targets
        mirrored = images.flip(-1).contiguous(memory_format=torch.channels_last)
        answers = [
            network(_sized(images if index % 2 else mirrored, network.spec.input_px)).float().softmax(dim=1)
            for index, network in enumerate(self._networks)
        ]
        return targets.lerp(torch.stack(answers).mean(dim=0), TEACHER_SHARE)


def _sized(images: Tensor, side_px: int) -> Tensor:
    if images.shape[-1] == side_px:
        return images
    return functional.interpolate(images, size=(side_px, side_px), mode="bilinear", align_corners=False)
