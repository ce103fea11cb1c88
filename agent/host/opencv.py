"""OpenCV, as this agent wants it."""

from __future__ import annotations

import os
from typing import Any

from agent.domain import LARGEST_PICTURE_PX


def load_opencv() -> Any:
    """Import OpenCV with its own console output off, and without threads of its own.

    Its messages repeat what our errors say, and FFmpeg's can contain a camera's password. The variables
    are read at OpenCV's first use, so every camera module imports it through here. Its pool of threads
    would compete with inference for the cores. Where it is loaded here first, it also refuses larger pictures
    than :data:`agent.domain.LARGEST_PICTURE_PX` by their headers.

    Returns:
        The ``cv2`` module.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(LARGEST_PICTURE_PX)
    import cv2  # noqa: PLC0415 - loaded only by a process that opens a camera

    cv2.setNumThreads(1)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2
