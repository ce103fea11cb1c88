"""Training the face detector: the task, its run, and reading the weights back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import Tensor, nn

from agent.errors import ModelError
from agent.inference.head_layout import Layout
from agent.inference.postprocess import make_decoder, suppress
from models.assignment import AssignmentRule, Cells, assign, make_cells
from models.average_precision import Judged, average_precision, outside_ignored
from models.face_losses import giou_loss, varifocal_loss
from models.mosaic import Composer, MosaicStyle
from models.scenes import read_close_ups, read_scenes, read_tight_faces
from models.training import Recipe, Trainer
from models.yolo import STRIDES, YoloFace, make_yolo

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from models.photo_warp import Composition

BATCH_SIZE: Final = 16
TRAIN_SIZE_PX: Final = 256
"""Faces keep their size in pixels whatever the picture's; a smaller picture is only cheaper."""
LEARNING_RATE: Final = 2e-3
FINE_TUNING_RATE: Final = 1.2e-3
"""Peak of a run that starts from trained weights: high enough to leave them."""
BOX_WEIGHT: Final = 2.5
"""Box loss against score loss, as in YOLOv6."""
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


class FaceTask:
    """What ``models.training.Trainer`` asks of the detector."""

    def __init__(self, network: YoloFace, train: Composer, valid: Composer, steps_per_epoch: int) -> None:
        self.network: nn.Module = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.steps_per_epoch = steps_per_epoch
        self._train = train
        self._style = MosaicStyle()
        self._calm = replace(self._style, grid_weights=(0.20, 0.35, 0.30, 0.15), paste_probability=0.15)
        self._rule = AssignmentRule()
        self._cells: dict[tuple[int, ...], Cells] = {}
        self._progress = 0.0
        generator = np.random.default_rng(7)
        self._valid = [
            valid.compose(generator, VALID_SIZE_PX, replace(self._style, paste_probability=0.0))
            for _ in range(VALID_PICTURES)
        ]

    def batches(self, epoch: int, generator: np.random.Generator) -> Iterator[FaceBatch]:
        """Compose the epoch's pictures, calmer ones in the last part of the run."""
        del epoch
        for _ in range(self.steps_per_epoch):
            style = self._style if self._progress < CALM_FROM else self._calm
            yield make_batch(
                [self._train.compose(generator, TRAIN_SIZE_PX, style) for _ in range(BATCH_SIZE)]
            )

    def loss(
        self, network: nn.Module, batch: FaceBatch, progress: float
    ) -> tuple[Tensor, Mapping[str, float]]:
        """Score and box loss over the batch, both divided by the sum of the score targets."""
        self._progress = progress
        maps: tuple[Tensor, ...] = network(batch.images)
        cells = self._cells_of(maps)
        rows = torch.cat([x.float().flatten(2) for x in maps], 2).transpose(1, 2)
        logits = rows[..., 0]
        reach = rows[..., 1:] * cells.strides[None, :, None]
        centres = cells.centres[None]
        boxes = torch.cat((centres - reach[..., :2], centres + reach[..., 2:]), 2)
        scores = logits.detach().sigmoid()
        score_sum, box_sum, target_sum = logits.new_zeros(()), logits.new_zeros(()), logits.new_zeros(())
        for i, picture in enumerate(batch.pictures):
            faces = torch.from_numpy(picture.faces)
            ignored = torch.from_numpy(picture.ignored)
            taught = assign(cells, scores[i], boxes[i].detach(), faces, ignored, rule=self._rule)
            score_sum = score_sum + (varifocal_loss(logits[i], taught.target) * taught.counted).sum()
            positive = taught.face >= 0
            weights = taught.target[positive]
            target_sum = target_sum + weights.sum()
            box_loss = giou_loss(boxes[i][positive], faces[taught.face[positive]])
            box_sum = box_sum + (box_loss * weights).sum()
        scale = target_sum.clamp_min(1.0)
        score_loss, box_loss = score_sum / scale, box_sum / scale
        total = score_loss + BOX_WEIGHT * box_loss
        return total, {"score_loss": float(score_loss.detach()), "box_loss": float(box_loss.detach())}

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
def judge(network: nn.Module, pictures: list[Composition]) -> list[Judged]:
    """Detect in each picture with ``network`` in evaluation form; boxes over ignored regions are dropped."""
    network.eval()
    judged = []
    for picture in pictures:
        maps = network(make_batch([picture]).images)
        height_px, width_px = picture.pixels.shape[:2]
        decoder = make_decoder(Layout("yolo_ltrb", 1, STRIDES), (height_px, width_px))
        candidates = decoder.decode([x.numpy() for x in maps], VALID_MIN_SCORE)
        found = suppress(candidates, VALID_NMS_IOU, len(candidates.scores))
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
        data_dir: See ``models.scenes``.
        run_dir: Where checkpoints and the log go; created if need be.
        epochs: Of ``steps_per_epoch`` batches each.
        variant: Key of ``models.yolo.VARIANTS``.
        seed: Of the weights and the compositions.
        resume: Whether a run that was killed goes on from its last whole epoch.
        steps_per_epoch: Batches between two looks at the valid split.
        start: Weights to begin with, at a lower rate; without them a fresh network.

    Raises:
        ModelError: A data file is missing or broken, or ``start`` holds no weights of ``variant``.
        ValueError: ``run_dir`` holds a run of another recipe, or ``variant`` is unknown.
    """
    torch.manual_seed(seed)
    network = make_yolo(variant)
    if start is not None:
        begun = load_face(start)
        if begun.spec != network.spec:
            raise ModelError(f"{start} holds another member of the family than {variant}: name its --variant")
        network.load_state_dict(begun.state_dict())
    train = Composer(read_scenes(data_dir, "train"), read_close_ups(data_dir), read_tight_faces(data_dir))
    valid = Composer(read_scenes(data_dir, "valid"), [])
    task = FaceTask(network, train, valid, steps_per_epoch)
    recipe = face_recipe(epochs, seed, fine_tuning=start is not None)
    best = Trainer(task, recipe, run_dir).run(resume=resume)
    return publish_best(best, variant)


def publish_best(best: Path, variant: str) -> Path:
    """Turn the trainer's best averaged state into ``yolo_face_<variant>.pt`` beside it."""
    network = make_yolo(variant)
    network.load_state_dict(torch.load(best, weights_only=True))
    path = best.with_name(f"yolo_face_{variant}.pt")
    save_face(network, variant, path)
    return path


def save_face(network: YoloFace, variant: str, path: Path) -> None:
    """Write variant and weights, half precision, to ``path``; whole or not at all."""
    state = {
        name: value.half() if value.dtype.is_floating_point else value
        for name, value in network.state_dict().items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save({"variant": variant, "state": state}, partial)
    partial.replace(path)


def load_face(weights: Path) -> YoloFace:
    """Network in evaluation form from a file written by :func:`save_face`.

    Raises:
        ModelError: The file is missing or holds something else.
    """
    try:
        content = torch.load(weights, weights_only=True)
        network = make_yolo(content["variant"])
        network.load_state_dict({name: value.float() for name, value in content["state"].items()})
    except (OSError, EOFError, RuntimeError, KeyError, TypeError, ValueError, UnpicklingError) as error:
        raise ModelError(
            f"{weights} holds no face detector: train one with python -m models train face"
        ) from error
    return network.eval()
