"""Which cells learn which face."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.training.face.assignment import Assignment, AssignmentRule, Cells, assign, make_cells

SIZE_PX = 64
CELLS = make_cells([(8, 8), (4, 4), (2, 2)], (8, 16, 32))
NOTHING = torch.zeros(0, 4)
RULE = AssignmentRule(cells_per_face=5)


def boxes_around_cells(cells: Cells) -> torch.Tensor:
    """Predictions of an untrained network: three strides square."""
    reach = 1.5 * cells.strides[:, None]
    return torch.cat((cells.centres - reach, cells.centres + reach), 1)


def assigned(faces: torch.Tensor, ignored: torch.Tensor = NOTHING) -> Assignment:
    scores = torch.full((len(CELLS.strides),), 0.01)
    return assign(CELLS, scores, boxes_around_cells(CELLS), faces, ignored, rule=RULE)


def test_cells_are_centred_and_ordered_fine_to_coarse() -> None:
    assert len(CELLS.strides) == 64 + 16 + 4
    assert CELLS.centres[0].tolist() == [4, 4]
    assert CELLS.centres[1].tolist() == [12, 4]
    assert CELLS.centres[64].tolist() == [8, 8]
    assert CELLS.strides[[0, 64, 80]].tolist() == [8, 16, 32]


def test_picture_without_faces_is_all_background() -> None:
    result = assigned(NOTHING)
    assert (result.face == -1).all()
    assert (result.target == 0).all()
    assert result.counted.all()


def test_cell_that_already_draws_the_face_gets_full_score() -> None:
    boxes = boxes_around_cells(CELLS)
    result = assign(CELLS, torch.full((84,), 0.5), boxes, boxes[27:28].clone(), NOTHING, rule=RULE)
    assert result.face[27] == 0
    assert result.target[27] == 1.0


def test_background_inside_an_ignored_region_is_not_judged() -> None:
    ignored = torch.tensor([[0.0, 0.0, 20.0, 20.0]])
    result = assigned(NOTHING, ignored)
    inside = (CELLS.centres < 20).all(1)
    assert torch.equal(result.counted, ~inside)


def test_face_inside_an_ignored_region_is_still_taught() -> None:
    face = torch.tensor([[4.0, 4.0, 28.0, 28.0]])
    result = assigned(face, torch.tensor([[0.0, 0.0, 64.0, 64.0]]))
    assert (result.face == 0).any()
    assert torch.equal(result.counted, result.face == 0)


def test_face_between_cell_centres_still_finds_a_teacher() -> None:
    tiny = torch.tensor([[6.0, 6.0, 10.0, 10.0]])
    assert (assigned(tiny).face == 0).any()


box_lists = st.lists(
    st.tuples(st.integers(0, 56), st.integers(0, 56), st.integers(5, 60), st.integers(5, 60)),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(box_lists)
def test_targets_stay_in_range_and_on_owned_cells(boxes: list[tuple[int, int, int, int]]) -> None:
    faces = torch.tensor([[x, y, min(x + w, SIZE_PX), min(y + h, SIZE_PX)] for x, y, w, h in boxes]).float()
    result = assigned(faces)
    owned = result.face >= 0
    assert ((result.target >= 0) & (result.target <= 1)).all()
    assert (result.target[~owned] == 0).all()
    assert result.face.max() < len(faces)
    assert torch.bincount(result.face[owned], minlength=len(faces)).max() <= RULE.cells_per_face
    reach = RULE.reach_strides * 8
    owner = faces[result.face[owned]]
    middle = (owner[:, :2] + owner[:, 2:]) / 2
    half = ((owner[:, 2:] - owner[:, :2]) / 2).clamp_min(reach)
    assert ((CELLS.centres[owned] - middle).abs() <= half).all()
