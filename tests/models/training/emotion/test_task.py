"""Augmentation, batches and a whole small training of the expression classifier."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from torch import Tensor, nn  # noqa: E402 - after the check for torch

from agent.domain import EMOTIONS, LABELS  # noqa: E402 - same
from models.augment.faces import Augmentation, augment, mix  # noqa: E402 - same
from models.data.ferplus import FerPlus  # noqa: E402 - same
from models.networks.mobilenet import VARIANTS, MobileNetEmotion, logits_of  # noqa: E402 - same
from models.networks.weights import load_emotion, save_weights  # noqa: E402 - same
from models.training.emotion import task as emotion_task  # noqa: E402 - same
from models.training.emotion.targets import (  # noqa: E402 - same
    CLASS_WEIGHT_LIMITS,
    Faces,
    emphasised,
    ferplus_faces,
    portrait_faces,
)
from models.training.emotion.task import (  # noqa: E402 - same
    EmotionTask,
    emotion_recipe,
    train_emotion,
)
from tests.support.small_networks import SMALL_MOBILENET  # noqa: E402 - same

if TYPE_CHECKING:
    from pathlib import Path

GENTLE = Augmentation(
    rotation_deg=0.0,
    scale=(1.0, 1.0),
    stretch=0.0,
    shift=0.0,
    shear=0.0,
    contrast=(1.0, 1.0),
    brightness=0.0,
    gamma=(1.0, 1.0),
    noise=0.0,
    blur_probability=0.0,
    erase_probability=0.0,
)


def _face(level: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.tile(np.linspace(0, level, 48).astype(np.uint8), (48, 1))


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data folder small enough to train on in seconds: the slope of the grey tells the label."""
    generator = np.random.default_rng(0)
    for split, count in (("train", 400), ("valid", 60)):
        label = generator.integers(0, 2, count)
        images = np.stack([_face(60 + 180 * int(one)) for one in label])
        votes = np.zeros((count, 10), np.uint8)
        votes[np.arange(count), label] = 10
        votes[0] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 10]
        np.savez(tmp_path / f"ferplus_{split}.npz", images=images, votes=votes)
    names = [f"person{number}_1.jpg" for number in range(80)]
    with zipfile.ZipFile(tmp_path / "portraits.zip", "w") as archive:
        for name in names:
            archive.writestr(name, cv2.imencode(".jpg", _face(200))[1].tobytes())
    labels = ["happiness", "anger"] * (len(names) // 2)
    rows = [f"{name},{label},4,4,40,40\n" for name, label in zip(names, labels, strict=True)]
    (tmp_path / "portraits.csv").write_text("image,emotion,x,y,w,h\n" + "".join(rows), encoding="utf-8")
    return tmp_path


def _augmented(seed: int, strength: Augmentation = GENTLE, side_px: int = 48) -> Tensor:
    faces = torch.from_numpy(np.stack([_face(level) for level in (80, 120, 160, 200)]))
    return augment(faces, side_px, strength, np.random.default_rng(seed))


def test_augmentation_of_no_strength_is_the_image_or_its_mirror() -> None:
    for level, got in zip((80, 120, 160, 200), _augmented(0)[:, 0], strict=True):
        original = torch.from_numpy(_face(level)).float()
        assert min((got - original).abs().max(), (got - original.flip(-1)).abs().max()) < 0.51


def test_augmentation_depends_on_nothing_but_its_generator() -> None:
    torch.manual_seed(1)
    first = _augmented(5, Augmentation())
    torch.manual_seed(2)
    assert torch.equal(_augmented(5, Augmentation()), first)
    assert not torch.equal(_augmented(6, Augmentation()), first)


@pytest.mark.parametrize("side_px", [32, 48])
def test_augmented_images_are_grey_levels_of_the_asked_size(side_px: int) -> None:
    for seed in range(10):
        images = _augmented(seed, Augmentation(erase_probability=1.0, blur_probability=1.0), side_px)
        assert images.shape == (4, 1, side_px, side_px)
        assert images.dtype == torch.float32
        assert float(images.min()) >= 0.0
        assert float(images.max()) <= 255.0


def test_augmentation_leaves_the_stored_images_alone() -> None:
    faces = torch.from_numpy(np.stack([_face(200)] * 3))
    before = faces.clone()
    augment(faces, 48, Augmentation(erase_probability=1.0), np.random.default_rng(0))
    assert torch.equal(faces, before)


def test_mixing_keeps_targets_distributions() -> None:
    targets = torch.eye(9)[torch.tensor([0, 3, 5, 8])]
    images, mixed, weights = mix(
        _augmented(0), targets, torch.ones(4), Augmentation(mix_alpha=1.0), np.random.default_rng(2)
    )
    assert images.shape == (4, 1, 48, 48)
    assert torch.allclose(mixed.sum(1), torch.ones(4))
    assert not torch.equal(mixed, targets)
    assert torch.allclose(weights, torch.ones(4))


def test_faces_that_are_none_are_not_learnt_and_rare_classes_are_shown_twice() -> None:
    votes = np.zeros((101, 10), np.uint8)
    votes[:99, 0] = 10
    votes[99, LABELS.index("contempt")] = 10
    votes[100, 9] = 10
    faces, repeats = ferplus_faces(FerPlus(np.zeros((101, 48, 48), np.uint8), votes))
    assert len(faces.images) == 100
    assert repeats.tolist() == [1] * 99 + [2]


def test_a_portrait_counts_less_than_a_face_with_ten_votes(data_dir: Path) -> None:
    faces, common = portrait_faces(data_dir, "train")
    assert float(faces.weights.max()) < 1.0
    assert torch.allclose(faces.targets.sum(1), torch.ones(len(faces.targets)))
    labels = {EMOTIONS[index] for index in faces.targets.argmax(1).tolist()}
    assert labels == {"happiness", "anger"}
    assert common.tolist() == [EMOTIONS[index] == "happiness" for index in faces.targets.argmax(1).tolist()]


def _equal_faces(labels: list[int]) -> Faces:
    targets = torch.zeros(len(labels), len(LABELS))
    targets[range(len(labels)), labels] = 1.0
    images = torch.from_numpy(np.stack([_face(200)] * len(labels)))
    return Faces(images, targets, torch.ones(len(labels)))


def test_rare_expressions_count_more_within_limits_and_common_ones_less() -> None:
    weights = emphasised(_equal_faces([0] * 90 + [1] * 9 + [2])).weights
    assert float(weights[0]) == CLASS_WEIGHT_LIMITS[0]
    assert float(weights[0]) < float(weights[90]) <= float(weights[99]) == CLASS_WEIGHT_LIMITS[1]


def test_batches_have_the_announced_number_size_and_growing_side(data_dir: Path) -> None:
    recipe = emotion_recipe(epochs=10, seed=0)
    task = EmotionTask(data_dir, MobileNetEmotion(SMALL_MOBILENET), recipe)
    sides = []
    for epoch in (0, 9):
        batches = list(task.batches(epoch, np.random.default_rng(epoch)))
        assert len(batches) == task.steps_per_epoch
        assert all(len(batch.images) == recipe.batch_size for batch in batches)
        assert all(torch.allclose(batch.targets.sum(1), torch.ones(recipe.batch_size)) for batch in batches)
        sides.append(batches[0].images.shape[-1])
    assert sides == [32, 48]


def test_a_teacher_is_shown_whole_images_from_the_first_epoch(data_dir: Path) -> None:
    network, teacher = MobileNetEmotion(SMALL_MOBILENET), MobileNetEmotion(SMALL_MOBILENET)
    task = EmotionTask(data_dir, network, emotion_recipe(epochs=10, seed=0), teachers=[teacher])
    assert next(task.batches(0, np.random.default_rng(0))).images.shape[-1] == 48


def test_the_loss_is_least_for_the_taggers_own_shares(data_dir: Path) -> None:
    task = EmotionTask(data_dir, MobileNetEmotion(SMALL_MOBILENET), emotion_recipe(1, 0))
    batch = next(task.batches(0, np.random.default_rng(0)))
    right, _ = task.loss(_Constant(batch.targets.clamp_min(1e-6).log()), batch, 0.0)
    wrong, _ = task.loss(_Constant(batch.targets.roll(1, dims=1).clamp_min(1e-6).log()), batch, 0.0)
    assert float(right) < float(wrong)


class _Constant(nn.Module):
    """Answers the same logits to any images."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self._logits = logits

    def forward(self, images: Tensor) -> Tensor:
        """The logits."""
        del images
        return self._logits


@pytest.mark.train
def test_a_small_training_learns_and_can_be_loaded(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The data tell labels by brightness, which the augmentation rightly takes away.
    monkeypatch.setattr(emotion_task, "Augmentation", lambda: GENTLE)
    monkeypatch.setitem(VARIANTS, "small", SMALL_MOBILENET)
    weights = train_emotion(data_dir, data_dir / "run", epochs=14, variant="small", seed=0)
    network = load_emotion(weights)
    logits = logits_of(network, np.stack([_face(60), _face(240)]))
    assert logits.argmax(axis=1).tolist() == [0, 1]


@pytest.mark.train
def test_a_training_begins_where_another_ended_and_with_its_help(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(VARIANTS, "small", SMALL_MOBILENET)
    torch.manual_seed(0)
    start = data_dir / "start.pt"
    save_weights(MobileNetEmotion(SMALL_MOBILENET), start)
    weights = train_emotion(
        data_dir, data_dir / "run", epochs=1, variant="small", start=start, teachers=[start], weighted=True
    )
    trained, begun = load_emotion(weights).state_dict(), load_emotion(start).state_dict()
    kernels = [name for name, value in begun.items() if value.ndim > 1]
    assert any(not torch.equal(trained[name], begun[name]) for name in kernels)
    # One short epoch from the same place: close by, where a fresh network would be anywhere.
    assert all(torch.allclose(trained[name], begun[name], atol=0.05) for name in kernels)
