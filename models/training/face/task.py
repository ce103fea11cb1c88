"""Training the face detector: the task, its run, and reading the weights back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from agent.inference.heads import Detections, Layout, make_decoder, suppress
from models.augment import Composer, Composition, MosaicStyle
from models.data import read_close_ups, read_scenes, read_tight_faces
from models.networks import BOX_CHANNELS, STRIDES, YoloFace, grown_yolo, load_face, make_yolo, publish_best
from models.scores import Judged, average_precision, outside_ignored
from models.training.face.assignment import AssignmentRule, Cells, assign, make_cells
from models.training.face.losses import giou_loss, varifocal_loss
from models.training.trainer import Recipe, Trainer

BATCH_SIZE: Final = 16
TRAIN_SIZE_PX: Final = 256
"""Faces keep their size in pixels whatever the picture's; a smaller picture is only cheaper."""
LARGE_SIZE_PX: Final = 416
LARGE_BATCH_SIZE: Final = 6
LARGE_SHARE: Final = 0.3
"""Of the batches, as costly as the others, that show faces as large as the largest input holds."""
LEARNING_RATE: Final = 2e-3
FINE_TUNING_RATE: Final = 1.2e-3
"""Peak of a run that starts from trained weights: high enough to leave them."""
BOX_WEIGHT: Final = 2.5
"""Box loss against score loss, as in YOLOv6."""
NAMING_WEIGHT: Final = 1.0
"""Cross-entropy between the classes against the score loss, where there are several."""
STEPS_PER_EPOCH: Final = 250
VALID_PICTURES: Final = 128
VALID_SIZE_PX: Final = 320
VALID_MIN_SCORE: Final = 0.02
"""Far below any useful threshold, so that the whole precision-recall curve is seen."""
VALID_NMS_IOU: Final = 0.5
CALM_FROM: Final = 0.85
"""From this share of the run on, pictures are composed of fewer and larger scenes."""


@dataclass(frozen=True, slots=True)
class FaceBatch:
    """Pictures and their boxes."""

    images: Tensor
    """B x 3 x S x S float BGR in 0..1, channels last."""
    pictures: list[Composition]


@dataclass(frozen=True, slots=True, eq=False)
class Curriculum:
    """Where training pictures come from, and what the score of a face is taught, by the face's tag."""

    composer: Composer
    style: MosaicStyle = field(default_factory=MosaicStyle)
    shares: Tensor = field(default_factory=lambda: torch.ones(1, 1))
    """T x classes float in 0..1; the largest of a row is 1, so that the best score still says "face"."""
    weights: Tensor | None = None
    """T float, of a face in the score loss; None: all 1."""
    large_share: float = LARGE_SHARE
    """Of the batches that are of large pictures."""


class FaceTask:
    """What ``models.training.trainer.Trainer`` asks of the detector."""

    def __init__(
        self, network: YoloFace, curriculum: Curriculum, valid: Composer, steps_per_epoch: int
    ) -> None:
        self.network: nn.Module = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.steps_per_epoch = steps_per_epoch
        self._train = curriculum
        self._names = network.classes > 1
        self._calm = replace(curriculum.style, grid_weights=(0.20, 0.35, 0.30, 0.15), paste_probability=0.15)
        self._rule = AssignmentRule()
        self._cells: dict[tuple[int, ...], Cells] = {}
        self._progress = 0.0
        generator, style = np.random.default_rng(7), MosaicStyle(paste_probability=0.0)
        self._valid = [valid.compose(generator, VALID_SIZE_PX, style) for _ in range(VALID_PICTURES)]

    def batches(self, epoch: int, generator: np.random.Generator) -> Iterator[FaceBatch]:
        """Compose the epoch's pictures, calmer ones in the last part of the run."""
        del epoch
        for _ in range(self.steps_per_epoch):
            style = self._train.style if self._progress < CALM_FROM else self._calm
            large = generator.random() < self._train.large_share
            size_px, count = (LARGE_SIZE_PX, LARGE_BATCH_SIZE) if large else (TRAIN_SIZE_PX, BATCH_SIZE)
            yield make_batch([self._train.composer.compose(generator, size_px, style) for _ in range(count)])

    def loss(
        self, network: nn.Module, batch: FaceBatch, progress: float
    ) -> tuple[Tensor, Mapping[str, float]]:
        """Score and box loss over the batch, both divided by the sum of the score targets."""
        self._progress = progress
        maps: tuple[Tensor, ...] = network(batch.images)
        cells = self._cells_of(maps)
        rows = torch.cat([x.float().flatten(2) for x in maps], 2).transpose(1, 2)
        logits, reach = rows[..., :-BOX_CHANNELS], rows[..., -BOX_CHANNELS:] * cells.strides[None, :, None]
        centres = cells.centres[None]
        boxes = torch.cat((centres - reach[..., :2], centres + reach[..., 2:]), 2)
        scores = logits.detach().amax(2).sigmoid()
        score_sum, box_sum, naming_sum, target_sum = (logits.new_zeros(()) for _ in range(4))
        for i, picture in enumerate(batch.pictures):
            faces = torch.from_numpy(picture.faces)
            ignored = torch.from_numpy(picture.ignored)
            taught = assign(cells, scores[i], boxes[i].detach(), faces, ignored, rule=self._rule)
            positive = taught.face >= 0
            owners = taught.face[positive]
            targets = torch.zeros_like(logits[i])
            rows_of_faces = torch.from_numpy(picture.tags).long()[owners]
            targets[positive] = taught.target[positive, None] * self._train.shares[rows_of_faces]
            losses = varifocal_loss(logits[i], targets)
            if self._train.weights is not None:
                losses[positive] = losses[positive] * self._train.weights[rows_of_faces, None]
            score_sum = score_sum + (losses * taught.counted[:, None]).sum()
            weights = taught.target[positive]
            target_sum = target_sum + weights.sum()
            box_loss = giou_loss(boxes[i][positive], faces[owners])
            box_sum = box_sum + (box_loss * weights).sum()
            naming_sum = naming_sum + self._naming_loss(logits[i][positive], rows_of_faces, weights)
        scale = target_sum.clamp_min(1.0)
        score_loss, box_loss, naming_loss = score_sum / scale, box_sum / scale, naming_sum / scale
        parts = {"score_loss": float(score_loss.detach()), "box_loss": float(box_loss.detach())}
        if self._names:
            parts["naming_loss"] = float(naming_loss.detach())
        return score_loss + BOX_WEIGHT * box_loss + NAMING_WEIGHT * naming_loss, parts

    def _naming_loss(self, logits: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
        """Cross-entropy between the classes of N faces' cells; nothing where there is one class.

        The score loss damps a wrong class the more, the less it is believed; alone it hardly tells
        expressions apart.
        """
        if not self._names:
            return logits.new_zeros(())
        shares = self._train.shares[rows]
        each = functional.cross_entropy(logits, shares / shares.sum(1, keepdim=True), reduction="none")
        if self._train.weights is not None:
            each = each * self._train.weights[rows]
        return (each * weights).sum()

    def evaluate(self, network: nn.Module) -> Mapping[str, float]:
        """AP50 on compositions of the valid split; ``score`` averages faces from 8 and from 16 px."""
        judged = judge(network, self._valid)
        fine, coarse = average_precision(judged, 8), average_precision(judged, 16)
        return {"score": (fine + coarse) / 2, "ap50_8": fine, "ap50_16": coarse}

    def _cells_of(self, maps: tuple[Tensor, ...]) -> Cells:
        key = tuple(maps[0].shape[2:])
        if key not in self._cells:
            self._cells[key] = make_cells([(x.shape[2], x.shape[3]) for x in maps], STRIDES)
        return self._cells[key]


def make_batch(pictures: list[Composition]) -> FaceBatch:
    """Stack pictures of one size into a tensor."""
    stacked = torch.from_numpy(np.stack([picture.pixels for picture in pictures]))
    return FaceBatch(stacked.permute(0, 3, 1, 2).float().div_(255), pictures)


@torch.no_grad()
def detect(network: nn.Module, picture: Composition) -> Detections:
    """Everything ``network``, in evaluation form, finds in a picture, best first, overlaps suppressed."""
    network.eval()
    maps = network(make_batch([picture]).images)
    height_px, width_px = picture.pixels.shape[:2]
    classes = maps[0].shape[1] - BOX_CHANNELS
    decoder = make_decoder(Layout("yolo_ltrb", classes, STRIDES), (height_px, width_px))
    candidates = decoder.decode([x.numpy() for x in maps], VALID_MIN_SCORE)
    return suppress(candidates, VALID_NMS_IOU, len(candidates.scores))


def judge(network: nn.Module, pictures: list[Composition]) -> list[Judged]:
    """Detections in each picture; those over ignored regions are dropped."""
    judged = []
    for picture in pictures:
        found = detect(network, picture)
        kept = outside_ignored(found.boxes, picture.ignored)
        judged.append(Judged(picture.faces, found.boxes[kept], found.scores[kept]))
    return judged


def face_recipe(epochs: int, seed: int, *, fine_tuning: bool = False) -> Recipe:
    """What the shipped weights were trained with."""
    return Recipe(
        epochs=epochs,
        batch_size=BATCH_SIZE,
        peak_learning_rate=FINE_TUNING_RATE if fine_tuning else LEARNING_RATE,
        weight_decay=0.03,
        ema_decay=0.9993,
        bfloat16=True,
        seed=seed,
    )


def train_face(
    data_dir: Path,
    run_dir: Path,
    *,
    epochs: int = 24,
    variant: str = "pico",
    seed: int = 0,
    resume: bool = True,
    steps_per_epoch: int = STEPS_PER_EPOCH,
    start: Path | None = None,
) -> Path:
    """Train a detector on scenes and portraits, and return the path of weights for :func:`load_face`.

    Args:
        data_dir: See ``models.data.scenes``.
        run_dir: Where checkpoints and the log go; created if need be.
        epochs: Of ``steps_per_epoch`` batches each.
        variant: Key of ``models.networks.yolo.VARIANTS``.
        seed: Of the weights and the compositions.
        resume: Whether a run that was killed goes on from its last whole epoch.
        steps_per_epoch: Batches between two looks at the valid split.
        start: Weights to begin with, of this variant or a narrower one, at a lower rate.

    Raises:
        ModelError: A data file is missing or broken, or ``start`` holds no weights.
        ValueError: ``run_dir`` holds a run of another recipe, ``variant`` is unknown, or narrower than
            the network in ``start``.
    """
    torch.manual_seed(seed)
    network = make_yolo(variant) if start is None else grown_yolo(variant, load_face(start))
    train = Composer(read_scenes(data_dir, "train"), read_close_ups(data_dir), read_tight_faces(data_dir))
    valid = Composer(read_scenes(data_dir, "valid"), [])
    task = FaceTask(network, Curriculum(train), valid, steps_per_epoch)
    recipe = face_recipe(epochs, seed, fine_tuning=start is not None)
    return publish_best(Trainer(task, recipe, run_dir).run(resume=resume), network)
