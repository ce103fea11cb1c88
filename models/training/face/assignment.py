"""Which cells of the output maps answer for which face.

Task-aligned assignment (Feng et al. 2021, "TOOD: Task-aligned One-stage Object Detection",
section 3.2): a face is taught to the cells whose score and box already agree best with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.training.face.losses import paired_iou


@dataclass(frozen=True, slots=True)
class Cells:
    """All cells of the three maps in one row, fine map first."""

    centres: Tensor
    """A x 2 float: x and y in pixels."""
    strides: Tensor
    """A float: pixels per cell."""


@dataclass(frozen=True, slots=True)
class AssignmentRule:
    """The numbers of task alignment."""

    cells_per_face: int = 10
    score_power: float = 1.0
    overlap_power: float = 6.0
    reach_strides: float = 0.75
    """A face smaller than the grid still reaches cells within so many strides of its centre."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What each of A cells is taught."""

    face: Tensor
    """A int64: index of the face, -1 for none."""
    target: Tensor
    """A float in 0..1: the score to reach."""
    counted: Tensor
    """A bool: False where the score is not judged (a cell without a face inside an ignored region)."""


def make_cells(shapes: list[tuple[int, int]], strides: tuple[int, ...]) -> Cells:
    """Cells of maps with the given (rows, columns), centres at ((column + 0.5) s, (row + 0.5) s)."""
    centres, sizes = [], []
    for (rows, columns), stride in zip(shapes, strides, strict=True):
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        centres.append((torch.stack((x, y), -1).reshape(-1, 2) + 0.5) * stride)
        sizes.append(torch.full((rows * columns,), float(stride)))
    return Cells(torch.cat(centres), torch.cat(sizes))


@torch.no_grad()
def assign(
    cells: Cells, scores: Tensor, boxes: Tensor, faces: Tensor, ignored: Tensor, *, rule: AssignmentRule
) -> Assignment:
    """Match one picture's cells with its faces.

    Args:
        cells: The A cells.
        scores: A float in 0..1, as predicted now.
        boxes: A x 4 float left, top, right, bottom in pixels, as predicted now.
        faces: G x 4 float true boxes, same layout.
        ignored: M x 4 float regions that teach nothing.
        rule: The numbers of task alignment.
    """
    in_ignored = _inside(cells.centres, ignored).any(0)
    if not len(faces):
        none = torch.full_like(scores, -1, dtype=torch.int64)
        return Assignment(none, torch.zeros_like(scores), ~in_ignored)
    overlaps = paired_iou(faces[:, None], boxes[None])
    candidates = _inside(cells.centres, faces) | _near(cells, faces, rule.reach_strides)
    metric = scores[None] ** rule.score_power * overlaps**rule.overlap_power
    # The tiny term keeps the order among candidates whose box is still far off.
    metric = torch.where(candidates, metric + 1e-12, torch.zeros(()))
    best = metric.topk(min(rule.cells_per_face, metric.shape[1]), dim=1)
    chosen = torch.zeros_like(candidates).scatter_(1, best.indices, best.values > 0)
    # A cell claimed by several faces goes to the one its box overlaps most.
    overlaps_of_chosen = torch.where(chosen, overlaps, torch.full((), -1.0))
    face_of_cell = overlaps_of_chosen.argmax(0)
    positive = chosen.any(0)
    owner = torch.where(positive, face_of_cell, torch.full((), -1))
    owned = torch.zeros_like(chosen).scatter_(0, face_of_cell[None], positive[None])
    metric = metric * owned
    peak_metric = metric.amax(1, keepdim=True).clamp_min(1e-12)
    peak_overlap = (overlaps * owned).amax(1, keepdim=True)
    target = (metric / peak_metric * peak_overlap).amax(0)
    return Assignment(owner, target, positive | ~in_ignored)


def _inside(centres: Tensor, boxes: Tensor) -> Tensor:
    """N x A bool: the cell's centre lies in the box."""
    x, y = centres[None, :, 0], centres[None, :, 1]
    left, top, right, bottom = boxes[:, :, None].unbind(1)
    return (x > left) & (y > top) & (x < right) & (y < bottom)


def _near(cells: Cells, faces: Tensor, reach_strides: float) -> Tensor:
    """G x A bool: cells of the finest map about the centre of a face too small to hold a cell's centre."""
    finest = cells.strides.amin()
    reach = reach_strides * finest
    middle = (faces[:, :2] + faces[:, 2:]) / 2
    half = ((faces[:, 2:] - faces[:, :2]) / 2).clamp_min(reach)
    grown = torch.cat((middle - half, middle + half), 1)
    return _inside(cells.centres, grown) & (cells.strides == finest)
