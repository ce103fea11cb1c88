"""Training the single-stage detector: a face detector whose scores say the expression as well."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch
from torch import nn

from agent.domain import EMOTIONS, Box, Face
from models.augment import Composer, Composition, MosaicStyle
from models.data import FerPlus, read_ferplus, read_scenes
from models.networks import YoloFace, load_emotion, load_face, publish_best, with_classes
from models.scores import AlignedPictures, aligned_pictures
from models.training.emotion import expected_weights
from models.training.face import STEPS_PER_EPOCH, Curriculum, FaceTask, detect, face_recipe
from models.training.single_stage.shares import read_expressions, teaching_shares
from models.training.trainer import Trainer

STYLE: Final = MosaicStyle(
    grid_weights=(0.30, 0.35, 0.25, 0.10, 0.0),
    face_range_px=(10.0, 200.0),
    paste_probability=0.6,
    close_up_share=0.3,
    sheet_share=0.75,
)
"""Larger faces than a face detector sees, and many at once: expressions need pixels and practice."""
LARGE_SHARE: Final = 0.6
"""Of the batches: a face that fills the input is as hard to read as a tiny one."""


class SingleStageTask(FaceTask):
    """The face detector's task, judged by faces found and expressions named alike."""

    def __init__(
        self,
        network: YoloFace,
        curriculum: Curriculum,
        valid: Composer,
        faces: FerPlus,
        steps_per_epoch: int = STEPS_PER_EPOCH,
    ) -> None:
        super().__init__(network, curriculum, valid, steps_per_epoch)
        self._aligned = aligned_pictures(faces)

    def evaluate(self, network: nn.Module) -> Mapping[str, float]:
        """Mean of AP50 from 16 px and of the share of aligned FER+ faces found and named rightly."""
        scores = super().evaluate(network)
        named = expression_accuracy(network, self._aligned)
        return {**scores, "score": (scores["ap50_16"] + named) / 2, "expression": named}


def expression_accuracy(network: nn.Module, aligned: AlignedPictures) -> float:
    """Share of the pictures whose best detection overlaps the face and has the right best class."""

    def best(picture: Composition) -> Face | None:
        found = detect(network, picture)
        if found.class_scores is None or not len(found.scores):
            return None
        shares = tuple(found.class_scores[0].tolist())
        return Face(Box(*found.boxes[0].tolist()), float(found.scores[0]), shares)

    return aligned.share_right(best)


def train_single_stage(
    data_dir: Path,
    run_dir: Path,
    *,
    start: Path,
    classifier: Path,
    epochs: int = 30,
    weighted: bool = True,
    seed: int = 0,
    resume: bool = True,
) -> Path:
    """Teach a trained face detector the expressions, and return the path of weights for ``load_face``.

    Args:
        data_dir: See ``models.data.scenes``.
        run_dir: Where checkpoints and the log go.
        start: Weights of a face detector.
        classifier: Weights of the expression classifier that labels the scenes' faces.
        epochs: Of ``STEPS_PER_EPOCH`` batches each.
        weighted: Whether rare expressions count more (YOLOv6 report, weighted cross-entropy).
        seed: Of the compositions.
        resume: Whether a run that was killed goes on from its last whole epoch.

    Raises:
        ModelError: A data or weights file is missing or broken.
        ValueError: ``run_dir`` holds a run of another recipe.
    """
    torch.manual_seed(seed)
    network = with_classes(load_face(start), len(EMOTIONS)).train()
    data = read_expressions(data_dir, load_emotion(classifier))
    weights = torch.from_numpy(expected_weights(data.shares)) if weighted else None
    task = SingleStageTask(
        network,
        Curriculum(
            Composer(data.scenes, data.close_ups, data.tight),
            STYLE,
            torch.from_numpy(teaching_shares(data.shares)),
            weights,
            large_share=LARGE_SHARE,
        ),
        Composer(read_scenes(data_dir, "valid"), []),
        read_ferplus(data_dir, "valid"),
    )
    return publish_best(Trainer(task, face_recipe(epochs, seed), run_dir).run(resume=resume), network)
