"""A training run of the detector, small but whole."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from agent.errors import ModelError
from models.augment.mosaic import Composer, MosaicStyle
from models.augment.warp import Composition
from models.data.scenes import LabelledPhoto
from models.networks.weights import load_face, publish_best, save_weights
from models.networks.yolo import VARIANTS, YoloFace, YoloSpec, make_yolo
from models.training.face import task as face_task
from models.training.face.task import Curriculum, FaceTask, judge, make_batch
from models.training.trainer import Recipe, Trainer

if TYPE_CHECKING:
    from pathlib import Path

NO_BOXES = np.zeros((0, 4), np.float32)
NO_TAGS = np.zeros(0, np.int32)


def photo_of_a_disc() -> LabelledPhoto:
    """A dark photo with one bright "face"."""
    pixels = np.full((224, 224, 3), 40, np.uint8)
    pixels[80:140, 90:135] = 220
    return LabelledPhoto("disc", pixels, np.array([[90, 80, 135, 140]], np.float32), NO_BOXES)


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> FaceTask:
    monkeypatch.setattr(face_task, "VALID_PICTURES", 4)
    monkeypatch.setattr(face_task, "BATCH_SIZE", 2)
    monkeypatch.setattr(face_task, "LARGE_BATCH_SIZE", 1)
    torch.manual_seed(0)
    composer = Composer([photo_of_a_disc()], [])
    return FaceTask(
        YoloFace(YoloSpec(8, (8, 16, 16, 16), (0, 0, 0, 0), 16, 1)), Curriculum(composer), composer, 6
    )


def losses(run_dir: Path) -> list[float]:
    with (run_dir / "log.csv").open(encoding="utf-8") as file:
        return [float(row["score_loss"]) for row in csv.DictReader(file)]


@pytest.mark.train
def test_loop_trains_the_detector_and_leaves_weights(task: FaceTask, tmp_path: Path) -> None:
    recipe = Recipe(epochs=2, batch_size=2, peak_learning_rate=5e-3)
    best = Trainer(task, recipe, tmp_path).run()
    assert set(torch.load(best, weights_only=True)) == set(task.network.state_dict())
    first, second = losses(tmp_path)
    assert second < first


def test_loss_without_any_face_is_finite_and_teaches_silence(task: FaceTask) -> None:
    blank = Composition(np.zeros((64, 64, 3), np.uint8), NO_BOXES, NO_TAGS, NO_BOXES)
    loss, parts = task.loss(task.network, make_batch([blank]), 0.0)
    assert torch.isfinite(loss)
    assert parts["box_loss"] == 0


def test_ignored_regions_take_background_out_of_the_loss(task: FaceTask) -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    everywhere = np.array([[0, 0, 64, 64]], np.float32)
    _, judged = task.loss(task.network, make_batch([Composition(pixels, NO_BOXES, NO_TAGS, NO_BOXES)]), 0.0)
    _, excused = task.loss(
        task.network, make_batch([Composition(pixels, NO_BOXES, NO_TAGS, everywhere)]), 0.0
    )
    assert judged["score_loss"] > 0
    assert excused["score_loss"] == 0


def test_evaluation_scores_lie_in_range(task: FaceTask) -> None:
    scores = task.evaluate(task.network)
    assert set(scores) == {"score", "ap50_8", "ap50_16"}
    assert all(0 <= value <= 1 for value in scores.values())


def test_judging_keeps_truth_and_drops_what_is_ignored(task: FaceTask) -> None:
    picture = Composer([photo_of_a_disc()], []).compose(np.random.default_rng(0), 96, MosaicStyle())
    hidden = Composition(picture.pixels, picture.faces, picture.tags, np.array([[0, 0, 96, 96]], np.float32))
    (judged,) = judge(task.network, [hidden])
    assert np.array_equal(judged.faces, picture.faces)
    assert len(judged.boxes) == 0


def test_weights_survive_the_round_trip_in_half_precision(tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = make_yolo("pico").eval()
    save_weights(network, tmp_path / "face.pt")
    read = load_face(tmp_path / "face.pt")
    picture = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        for a, b in zip(network(picture), read(picture), strict=True):
            assert torch.allclose(a, b, atol=0.05)
    assert not read.training
    assert (tmp_path / "face.pt").stat().st_size < 10_000_000


def test_best_weights_become_a_file_that_loads(tmp_path: Path) -> None:
    torch.save(make_yolo("pico").state_dict(), tmp_path / "best.pt")
    path = publish_best(tmp_path / "best.pt", make_yolo("pico"))
    assert path.name == "yolo_face_pico.pt"
    assert load_face(path).spec == VARIANTS["pico"]


@pytest.mark.parametrize(
    "content", [None, b"", b"not weights", {"variant": "pico"}, {"variant": "huge", "state": {}}]
)
def test_anything_but_weights_is_refused_by_name(content: object, tmp_path: Path) -> None:
    path = tmp_path / "face.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(ModelError, match=r"face\.pt holds no face detector"):
        load_face(path)
