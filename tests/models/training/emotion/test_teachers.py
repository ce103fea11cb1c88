"""What networks that know already add to what people said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip("torch", reason="the networks need the extra [train]")

from models.networks.mobilenet import MobileNetEmotion, MobileNetSpec  # noqa: E402 - after the check for the extra
from models.training.emotion.teachers import TEACHER_SHARE, Teachers  # noqa: E402 - same
from tests.support.small_networks import SMALL_MOBILENET  # noqa: E402 - same

if TYPE_CHECKING:
    from torch import Tensor


class Sided(MobileNetEmotion):
    """Sure of the first class where the left half is the brighter one, of the second elsewhere."""

    def __init__(self, input_px: int = 8) -> None:
        super().__init__(MobileNetSpec(stem_channels=1, stages=(), head_channels=1, input_px=input_px))
        self.seen_px = 0

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(N, 2)``."""
        self.seen_px = images.shape[-1]
        half = self.seen_px // 2
        left, right = images[..., :half].mean(dim=(1, 2, 3)), images[..., half:].mean(dim=(1, 2, 3))
        logits: Tensor = 50.0 * torch.stack((left - right, right - left), dim=1)
        return logits


def _bright_on_the_left() -> Tensor:
    images: Tensor = torch.zeros(1, 1, 8, 8)
    images[..., :4].fill_(1.0)
    return images


def test_without_teachers_people_have_the_only_say() -> None:
    targets = torch.tensor([[0.3, 0.7]])
    assert Teachers([]).corrected(targets, _bright_on_the_left()) is targets


def test_a_lone_teacher_looks_at_the_mirror_image_and_people_keep_a_say() -> None:
    corrected = Teachers([Sided()]).corrected(torch.tensor([[1.0, 0.0]]), _bright_on_the_left())
    assert torch.allclose(corrected, torch.tensor([[1.0 - TEACHER_SHARE, TEACHER_SHARE]]), atol=1e-4)


def test_two_teachers_look_from_two_sides_and_have_one_say_each() -> None:
    corrected = Teachers([Sided(), Sided()]).corrected(torch.tensor([[0.0, 1.0]]), _bright_on_the_left())
    assert torch.allclose(
        corrected, torch.tensor([[0.5, 0.5]]).lerp(torch.tensor([[0.0, 1.0]]), 0.5), atol=1e-4
    )


def test_each_teacher_sees_the_size_it_learnt_with() -> None:
    small, large = Sided(6), Sided(12)
    Teachers([small, large]).corrected(torch.tensor([[0.0, 1.0]]), _bright_on_the_left())
    assert (small.seen_px, large.seen_px) == (6, 12)


def test_teachers_do_not_learn() -> None:
    network = MobileNetEmotion(SMALL_MOBILENET).train()
    teachers = Teachers([network])
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    targets = torch.full((1, 9), 1 / 9)
    assert not teachers.corrected(targets, torch.zeros(1, 1, 48, 48)).requires_grad
