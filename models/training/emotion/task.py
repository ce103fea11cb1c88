"""Training of the expression classifier: augmentation, loss, evaluation, and the whole run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.augment import Augmentation, augment, mix
from models.data import read_ferplus, resized
from models.networks import (
    MobileNetEmotion,
    grown_mobilenet,
    load_emotion,
    logits_of,
    make_mobilenet,
    publish_best,
)
from models.scores import score_emotions
from models.training.emotion.targets import Faces, emphasised, ferplus_faces, joined, portrait_faces
from models.training.emotion.teachers import Teachers
from models.training.trainer import Recipe, Trainer

COMMON_PORTRAITS_PER_EPOCH: Final = 1200
"""Drawn anew each epoch from the neutral and happy ones, which are nine in ten; the others all take part."""
MIXED_SHARE: Final = 0.85
"""Mixing images stops after this share of the run; the other changes stay, or faces are learnt by heart."""
LEARNING_RATE: Final = 2.5e-3
FINE_TUNING_RATE: Final = 2.0e-3
"""Peak of a run that starts from trained weights: high enough to leave them."""
SIDES: Final = ((0.35, 2 / 3), (0.85, 5 / 6), (1.0, 1.0))
"""Up to that share of the run images have this share of the input's side: smaller first, for speed (Tan & Le
2021, section 4)."""


class EmotionTask:
    """FER+ and portraits for the :class:`models.training.trainer.Trainer`."""

    def __init__(
        self,
        data_dir: Path,
        network: MobileNetEmotion,
        recipe: Recipe,
        *,
        teachers: Sequence[MobileNetEmotion] = (),
        weighted: bool = False,
    ) -> None:
        self.network: nn.Module = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._recipe = recipe
        self._input_px = network.spec.input_px
        self._augmentation = Augmentation()
        self._teachers = Teachers(teachers)
        # A teacher has to recognise what it is shown.
        self._sides = ((1.0, 1.0),) if teachers else SIDES
        ferplus, self._repeats = ferplus_faces(read_ferplus(data_dir, "train"))
        portraits, self._common = portrait_faces(data_dir, "train")
        faces = joined(ferplus, portraits)
        self._faces = emphasised(faces) if weighted else faces
        self._valid = read_ferplus(data_dir, "valid")
        self._valid_images = resized(self._valid.images, self._input_px)
        self.steps_per_epoch = len(self._order(np.random.default_rng(0))) // recipe.batch_size

    def _order(self, generator: np.random.Generator) -> NDArray[np.int64]:
        """Indices of one epoch's images, shuffled."""
        ferplus = np.repeat(np.arange(len(self._repeats)), self._repeats)
        first_portrait = len(self._repeats)
        common = np.flatnonzero(self._common)
        drawn = generator.choice(common, min(COMMON_PORTRAITS_PER_EPOCH, len(common)), replace=False)
        rare = np.flatnonzero(~self._common)
        order = np.concatenate((ferplus, first_portrait + drawn, first_portrait + rare))
        generator.shuffle(order)
        return order

    def batches(self, epoch: int, generator: np.random.Generator) -> Iterator[Faces]:
        """Augmented float batches of the recipe's size; the odd rest of an epoch is left out."""
        order = self._order(generator)
        share = (epoch + 0.5) / self._recipe.epochs
        side_px = round(self._input_px * next(part for until, part in self._sides if share < until))
        mixed = share < MIXED_SHARE
        strength = self._augmentation
        size = self._recipe.batch_size
        for step in range(self.steps_per_epoch):
            chosen = torch.from_numpy(order[step * size : (step + 1) * size])
            images = augment(self._faces.images[chosen], side_px, strength, generator)
            targets = self._faces.targets[chosen]
            weights = self._faces.weights[chosen]
            if mixed and generator.random() < strength.mix_probability:
                images, targets, weights = mix(images, targets, weights, strength, generator)
            yield Faces(images.contiguous(memory_format=torch.channels_last), targets, weights)

    def loss(self, network: nn.Module, batch: Faces, progress: float) -> tuple[Tensor, Mapping[str, float]]:
        """Cross-entropy against the taggers' shares and the teachers' answers, weighted per image."""
        del progress
        logits = network(batch.images).float()
        targets = self._teachers.corrected(batch.targets, batch.images)
        each = functional.cross_entropy(logits, targets, reduction="none")
        loss = (each * batch.weights).sum() / batch.weights.sum()
        with torch.no_grad():
            right = (logits.argmax(1) == batch.targets.argmax(1)).float().mean()
        return loss, {"loss": loss.item(), "train_accuracy": right.item()}

    def evaluate(self, network: nn.Module) -> Mapping[str, float]:
        """Scores on the valid split; ``score`` is the accuracy over eight classes."""
        scores = score_emotions(logits_of(network, self._valid_images), self._valid.votes)
        return {
            "score": scores.accuracy8,
            "accuracy9": scores.accuracy9,
            "weighted_f1_9": scores.weighted_f1_9,
            "macro_f1_9": scores.macro_f1_9,
        }


def emotion_recipe(epochs: int, seed: int, *, fine_tuning: bool = False) -> Recipe:
    """What the shipped weights were trained with."""
    return Recipe(
        epochs=epochs,
        batch_size=128,
        peak_learning_rate=FINE_TUNING_RATE if fine_tuning else LEARNING_RATE,
        weight_decay=0.04,
        warmup_share=0.06,
        ema_decay=0.998,
        gradient_norm=5.0,
        bfloat16=True,
        seed=seed,
    )


def train_emotion(
    data_dir: Path,
    run_dir: Path,
    *,
    epochs: int = 60,
    variant: str = "full",
    seed: int = 0,
    resume: bool = True,
    start: Path | None = None,
    teachers: Sequence[Path] = (),
    weighted: bool = False,
) -> Path:
    """Train on FER+ and portraits, and return the path of weights for :func:`load_emotion`.

    Args:
        data_dir: Folder of ``ferplus_*.npz`` and the portraits.
        run_dir: Where checkpoints and the log go; created if need be.
        epochs: Passes over the data.
        variant: Key of ``models.networks.mobilenet.VARIANTS``.
        seed: Of the weights, the order and the augmentation.
        resume: Whether a run that was killed goes on from its last whole epoch.
        start: Weights to begin with, of this variant or a smaller one, at a lower rate.
        teachers: Weights of networks whose answers half of each target is made of.
        weighted: Whether images of rare classes count more.

    Raises:
        ModelError: A data file is missing or damaged, or ``start`` holds no weights.
        ValueError: ``run_dir`` holds a run of another recipe, ``variant`` is unknown, or smaller than
            the network in ``start``.
    """
    torch.manual_seed(seed)
    network = make_mobilenet(variant) if start is None else grown_mobilenet(variant, load_emotion(start))
    recipe = emotion_recipe(epochs, seed, fine_tuning=start is not None)
    masters = [load_emotion(teacher) for teacher in teachers]
    task = EmotionTask(data_dir, network, recipe, teachers=masters, weighted=weighted)
    return publish_best(Trainer(task, recipe, run_dir).run(resume=resume), network)
