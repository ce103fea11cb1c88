"""Training the face detector: the task, its run, and reading the weights back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from agent.errors import ModelError
from models.assignment import AssignmentRule, Cells, assign, make_cells
from models.average_precision import Judged, average_precision
from models.face_decoding import decode_maps
from models.face_losses import giou_loss, varifocal_loss
from models.mosaic import Composer, Composition, MosaicStyle
from models.scenes import read_close_ups, read_scenes
from models.training import Recipe, Trainer
from models.yolo import STRIDES, YoloFace, make_yolo

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BATCH_SIZE = 16
BOX_WEIGHT = 2.5
"""Box loss against score loss, as in YOLOv6."""
VALID_PICTURES = 128
VALID_SIZE_PX = 320
CALM_FROM = 0.85
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
        """Compose the epoch's pictures: 256 px at first, 320 px in the calm last part."""
        del epoch
        for _ in range(self.steps_per_epoch):
            calm = self._progress >= CALM_FROM
            style, size_px = (self._calm, 320) if calm else (self._style, 256)
            yield make_batch([self._train.compose(generator, size_px, style) for _ in range(BATCH_SIZE)])

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
            taught = assign(cells, scores[i], boxes[i].detach(), faces, ignored, self._rule)
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
        boxes, scores = decode_maps([x[0].numpy() for x in maps])
        kept = ~_mostly_within(boxes, picture.ignored)
        judged.append(Judged(picture.faces, boxes[kept], scores[kept]))
    return judged


def _mostly_within(boxes: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """D bool: half of the box lies in one of the regions."""
    if not len(regions):
        return np.zeros(len(boxes), bool)
    low = np.maximum(boxes[:, None, :2], regions[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], regions[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    area = np.maximum(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1), 1e-9)
    within: np.ndarray = (shared / area[:, None]).max(1) > 0.5  # noqa: PLR2004 - half
    return within


def train_face(
    data_dir: Path,
    run_dir: Path,
    *,
    epochs: int = 40,
    variant: str = "pico",
    seed: int = 0,
    resume: bool = True,
    steps_per_epoch: int = 250,
) -> Path:
    """Train a detector on scenes and portraits and return the path of its best averaged weights.

    A run that was killed goes on from its last whole epoch if ``resume``.

    Raises:
        ModelError: A data file is missing or broken.
        ValueError: The folder holds a run of another recipe, or ``variant`` is unknown.
    """
    torch.manual_seed(seed)
    network = make_yolo(variant)
    train = Composer(read_scenes(data_dir, "train"), read_close_ups(data_dir))
    valid = Composer(read_scenes(data_dir, "valid"), [])
    task = FaceTask(network, train, valid, steps_per_epoch)
    recipe = Recipe(
        epochs=epochs,
        batch_size=BATCH_SIZE,
        peak_learning_rate=2e-3,
        weight_decay=0.03,
        ema_decay=0.9993,
        seed=seed,
    )
    return Trainer(task, recipe, run_dir).run(resume=resume)


def save_face(network: YoloFace, variant: str, path: Path) -> None:
    """Write weights as float16 together with the variant's name."""
    halves: dict[str, Any] = {
        name: value.half() if value.dtype.is_floating_point else value
        for name, value in network.state_dict().items()
    }
    torch.save({"variant": variant, "weights": halves}, path)


def load_face(weights: Path) -> YoloFace:
    """Read a detector written by ``save_face``, in evaluation form.

    Raises:
        ModelError: The file is missing or does not hold a detector.
    """
    try:
        content = torch.load(weights, weights_only=True)
        network = make_yolo(content["variant"])
        network.load_state_dict({name: value.float() for name, value in content["weights"].items()})
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{weights} holds no face detector: train one with python -m models train face"
        ) from error
    return network.eval()
