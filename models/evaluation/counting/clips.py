"""Real clips of a known number of people, a frame at a time."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from agent.errors import ModelError
from models.evaluation.walks import Camera, Moment

_USUAL_FPS: Final = 25.0
"""Of a file that does not say."""


def read_truth(data_dir: Path) -> dict[str, int]:
    """Number of people by file name.

    Raises:
        ModelError: ``clips/truth.csv`` is missing or damaged.
    """
    path = data_dir / "clips" / "truth.csv"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return {row["file"]: int(row["people"]) for row in csv.DictReader(file)}
    except (OSError, KeyError, ValueError) as error:
        raise ModelError(f"can't read {path}: {error}; pass the folder that holds the data files") from error


def open_clip(path: Path) -> tuple[Camera, Iterator[Moment]]:
    """Rate and frames of a clip; nothing is known of where its people are.

    Raises:
        ModelError: The file is no video.
    """
    video = cv2.VideoCapture(str(path))
    if not video.isOpened():
        raise ModelError(f"{path} is no video that OpenCV reads; fetch the clips again")
    fps = video.get(cv2.CAP_PROP_FPS) or _USUAL_FPS
    return Camera(fps=fps), _frames(video, fps)


def _frames(video: cv2.VideoCapture, fps: float) -> Iterator[Moment]:
    number = 0
    while True:
        shown, pixels = video.read()
        if not shown:
            video.release()
            return
        yield Moment(number / fps, np.asarray(pixels, np.uint8), ())
        number += 1
