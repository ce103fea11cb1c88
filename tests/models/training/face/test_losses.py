"""What the losses reward."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.training.face.losses import giou_loss, paired_iou, varifocal_loss

sides = st.floats(0.5, 50)
places = st.floats(-20, 20)
boxes = st.tuples(places, places, sides, sides).map(lambda b: [b[0], b[1], b[0] + b[2], b[1] + b[3]])


@settings(max_examples=80, deadline=None)
@given(boxes, boxes)
def test_giou_is_symmetric_bounded_and_no_better_than_iou(first: list[float], second: list[float]) -> None:
    a, b = torch.tensor([first]), torch.tensor([second])
    loss = giou_loss(a, b)
    assert 0 <= loss.item() + 1e-5 <= 2.0001
    assert loss.item() == pytest.approx(giou_loss(b, a).item(), abs=1e-5)
    assert 1 - loss.item() <= paired_iou(a, b).item() + 1e-5


def test_equal_boxes_cost_nothing() -> None:
    box = torch.tensor([[1.0, 2.0, 5.0, 9.0]])
    assert giou_loss(box, box).item() == pytest.approx(0)
    assert paired_iou(box, box).item() == pytest.approx(1)


def test_far_boxes_still_pull_together() -> None:
    true = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
    predicted = torch.tensor([[30.0, 0.0, 40.0, 10.0]], requires_grad=True)
    giou_loss(predicted, true).sum().backward()
    assert predicted.grad is not None
    assert predicted.grad[0, 0] > 0


def test_box_turned_inside_out_stays_finite() -> None:
    loss = giou_loss(torch.tensor([[5.0, 5.0, 3.0, 3.0]]), torch.tensor([[0.0, 0.0, 10.0, 10.0]]))
    assert torch.isfinite(loss).all()


def test_confident_background_costs_more_than_hesitant_background() -> None:
    sure, unsure = varifocal_loss(torch.tensor([3.0, -3.0]), torch.zeros(2))
    assert sure > 20 * unsure


def test_score_is_drawn_to_the_target_not_to_one() -> None:
    at_target = torch.tensor([0.0], requires_grad=True)
    varifocal_loss(at_target, torch.tensor([0.5])).sum().backward()
    assert at_target.grad is not None
    assert at_target.grad.item() == pytest.approx(0)
