"""A detector that names the expression is taught by votes, labels and the classifier, and learns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from agent.domain import EMOTIONS  # noqa: E402 - after the check for the extra
from models.augment.mosaic import Composer  # noqa: E402 - same
from models.augment.warp import Composition  # noqa: E402 - same
from models.data.scenes import LabelledPhoto  # noqa: E402 - same
from models.networks.yolo import YoloFace, YoloSpec, make_yolo, with_classes  # noqa: E402 - same
from models.scores.aligned import AlignedPictures  # noqa: E402 - same
from models.training.emotion.targets import expected_weights  # noqa: E402 - same
from models.training.face.task import Curriculum, FaceTask, make_batch  # noqa: E402 - same
from models.training.single_stage.shares import teaching_shares  # noqa: E402 - same
from models.training.single_stage.task import expression_accuracy  # noqa: E402 - same

NO_BOXES = np.zeros((0, 4), np.float32)
STEPS = 240
SMALL = YoloSpec(8, (8, 16, 16, 16), (0, 0, 0, 0), 16, 1)

votes = arrays(np.float32, (6, 8), elements=st.floats(0.015625, 1.0, width=32))


def photo(level: int, tag: int) -> LabelledPhoto:
    """A dark scene with one square whose brightness is its expression."""
    pixels = np.full((224, 224, 3), 40, np.uint8)
    pixels[60:150, 70:150] = level
    box = np.array([[70, 60, 150, 150]], np.float32)
    return LabelledPhoto(f"square-{level}", pixels, box, NO_BOXES, np.array([tag], np.int32))


@given(votes)
def test_the_best_share_of_every_face_teaches_the_full_score(shares: np.ndarray) -> None:
    shares = shares / shares.sum(axis=1, keepdims=True)
    taught = teaching_shares(shares)
    assert np.allclose(taught.max(axis=1), 1.0)
    assert np.array_equal(taught.argmax(axis=1), shares.argmax(axis=1))


def test_rare_expressions_weigh_more_within_limits() -> None:
    shares = np.zeros((100, 8), np.float32)
    shares[:90, 0] = 1.0
    shares[90:, 3] = 1.0
    weights = expected_weights(shares)
    assert weights[0] == pytest.approx(0.5)
    assert weights[-1] == pytest.approx(100 / 8 / 10)


def test_every_class_starts_as_the_face_score_it_came_from() -> None:
    torch.manual_seed(0)
    face = make_yolo("pico").eval()
    several = with_classes(face, len(EMOTIONS)).eval()
    with torch.no_grad():
        picture = torch.rand(1, 3, 96, 96)
        for one, many in zip(face(picture), several(picture), strict=True):
            assert many.shape[1] == len(EMOTIONS) + 4
            assert torch.allclose(many[:, :-4], one[:, :1].expand(-1, len(EMOTIONS), -1, -1), atol=1e-5)
            assert torch.allclose(many[:, -4:], one[:, -4:], atol=1e-5)


@pytest.mark.train
def test_the_loss_falls_as_the_right_class_rises_and_the_others_do_not() -> None:
    """Two classes told apart by brightness alone: some hundred steps are enough to name them."""
    torch.manual_seed(0)
    composer = Composer([photo(240, 0), photo(130, 1)], [])
    curriculum = Curriculum(composer, shares=torch.eye(2))
    task = FaceTask(YoloFace(SMALL, 2), curriculum, composer, 6)
    pictures = [
        Composition(item.pixels[:192, :192].copy(), item.faces, item.tags, NO_BOXES)
        for item in (photo(240, 0), photo(130, 1))
        if item.tags is not None
    ]
    optimizer = torch.optim.AdamW(task.network.parameters(), lr=5e-3)
    batch = make_batch(pictures)
    task.network.train()
    for step in range(STEPS):
        loss, _ = task.loss(task.network, batch, step / STEPS)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    task.network.eval()
    assert expression_accuracy(task.network, AlignedPictures(pictures, np.array([0, 1]))) == 1.0
    assert expression_accuracy(task.network, AlignedPictures(pictures, np.array([1, 0]))) == 0.0
