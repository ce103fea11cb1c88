"""From frame pixels to a network's input buffer: the only copy of this code, also used to calibrate.

    frame ──► Letterbox ──► detector input
    frame + box ──► crop_face ──► classifier input

Everything is written straight into the buffer the runtime reads from; a network whose input is not
uint8 NHWC in the frame's own colour order costs one conversion more (:class:`InputImage`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from agent.domain import Box
    from agent.inference.bundle import InputSpec

PAD_VALUE: Final = 114
"""Grey level around a letterboxed frame; the one the YOLO family is trained with."""


class InputImage:
    """A network's input buffer seen as a picture that OpenCV can write into."""

    def __init__(self, spec: InputSpec, buffer: NDArray[Any]) -> None:
        self._spec = spec
        self._buffer = buffer
        self._shares_memory = spec.dtype == "uint8" and (
            spec.colour == "GREY" or (spec.colour == "BGR" and spec.layout == "NHWC")
        )
        size = (spec.height_px, spec.width_px)
        shape = size if spec.colour == "GREY" else (*size, 3)
        self.pixels: NDArray[np.uint8] = (
            buffer.reshape(shape) if self._shares_memory else np.zeros(shape, np.uint8)
        )

    def commit(self) -> None:
        """Bring :attr:`pixels` (H×W grey or H×W×3 BGR, uint8) into the buffer where it isn't yet."""
        if self._shares_memory:
            return
        planes = self._buffer[0] if self._spec.layout == "NCHW" else self._buffer[0].transpose(2, 0, 1)
        if self._spec.colour == "GREY":
            self._write(planes[0], self.pixels)
            return
        for index in range(3):
            source = 2 - index if self._spec.colour == "RGB" else index
            self._write(planes[index], self.pixels[:, :, source])

    def _write(self, plane: NDArray[Any], values: NDArray[np.uint8]) -> None:
        if self._spec.dtype == "uint8":
            plane[...] = values
        else:
            np.multiply(values, np.float32(self._spec.scale), out=plane)


@dataclass(frozen=True, slots=True)
class LetterboxPlan:
    """How a frame of one size lies inside the network's input; all values in network pixels."""

    left_px: int
    top_px: int
    width_px: int
    """Of the resized frame inside the input; at least 1."""
    height_px: int
    scale_x: float
    """Network pixels per frame pixel; differs from ``scale_y`` by rounding only."""
    scale_y: float

    def to_frame(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map N×4 (left, top, right, bottom) network pixels to frame pixels; nothing is clipped."""
        offset: NDArray[np.float32] = np.array((self.left_px, self.top_px) * 2, np.float32)
        scale: NDArray[np.float32] = np.array((self.scale_x, self.scale_y) * 2, np.float32)
        return (boxes - offset) / scale


@lru_cache(maxsize=64)
def plan_letterbox(frame_hw_px: tuple[int, int], input_hw_px: tuple[int, int]) -> LetterboxPlan:
    """Fit a frame into an input, aspect ratio kept, centred.

    Raises:
        ValueError: The frame has no pixels.
    """
    frame_height, frame_width = frame_hw_px
    input_height, input_width = input_hw_px
    if frame_height < 1 or frame_width < 1:
        raise ValueError(f"a frame of {frame_width}x{frame_height} pixels can't be letterboxed")
    scale = min(input_height / frame_height, input_width / frame_width)
    width = min(input_width, max(1, round(frame_width * scale)))
    height = min(input_height, max(1, round(frame_height * scale)))
    return LetterboxPlan(
        left_px=(input_width - width) // 2,
        top_px=(input_height - height) // 2,
        width_px=width,
        height_px=height,
        scale_x=width / frame_width,
        scale_y=height / frame_height,
    )


class Letterbox:
    """Resizes frames of any size into one network's input buffer."""

    def __init__(self, spec: InputSpec, buffer: NDArray[Any]) -> None:
        self._image = InputImage(spec, buffer)
        self._is_grey = spec.colour == "GREY"
        self._input_hw_px = (spec.height_px, spec.width_px)
        self._plan: LetterboxPlan | None = None
        self._window: NDArray[np.uint8] = self._image.pixels

    def fill(self, frame_pixels: NDArray[np.uint8]) -> LetterboxPlan:
        """Write a frame (H×W×3 uint8 BGR, any strides) into the buffer.

        Bilinear at every ratio: a halving, the common case, is then an exact 2×2 mean, and area
        averaging of a 1080p frame would cost more than the network itself.

        Returns:
            The plan that maps the network's boxes back to this frame.

        Raises:
            ValueError: The frame has no pixels.
        """
        height, width = frame_pixels.shape[:2]
        plan = plan_letterbox((height, width), self._input_hw_px)
        if plan is not self._plan:
            # Clear what an earlier frame size left outside the new window.
            pixels = self._image.pixels
            pixels[...] = PAD_VALUE
            self._window = pixels[plan.top_px :, plan.left_px :][: plan.height_px, : plan.width_px]
            self._plan = plan
        source = cv2.cvtColor(frame_pixels, cv2.COLOR_BGR2GRAY) if self._is_grey else frame_pixels
        cv2.resize(source, (plan.width_px, plan.height_px), dst=self._window, interpolation=cv2.INTER_LINEAR)
        self._image.commit()
        return plan


def crop_face(frame_pixels: NDArray[np.uint8], box: Box, crop_scale: float, out: NDArray[np.uint8]) -> None:
    """Cut a square around a face and resize it into ``out``.

    The square is centred on the box; its side is ``crop_scale`` times the box's longer side. What
    lies outside the frame repeats the frame's nearest pixels.

    Args:
        frame_pixels: H×W×3 uint8 BGR, or H×W grey.
        box: In frame pixels; may reach out of the frame.
        crop_scale: Side of the square as a multiple of the box's longer side.
        out: S×S uint8 to fill with grey, or S×S×3 to fill with BGR.
    """
    size = out.shape[0]
    height, width = frame_pixels.shape[:2]
    side = max(1.0, crop_scale * max(box.width, box.height))
    columns = _visible_span((box.left + box.right) / 2.0, side, width, size)
    rows = _visible_span((box.top + box.bottom) / 2.0, side, height, size)
    region: cv2.typing.MatLike = frame_pixels[rows.first : rows.last, columns.first : columns.last]
    if out.ndim == 2 and region.ndim == 3:  # noqa: PLR2004 - grey wanted, colour given
        region = cv2.cvtColor(region, cv2.COLOR_BGR2GRAY)
    window = out[rows.out_first : rows.out_last, columns.out_first : columns.out_last]
    shrinks = region.shape[0] > window.shape[0]
    # Area averaging keeps wrinkles and lips from aliasing; on a face-sized region it is cheap.
    cv2.resize(
        region,
        (window.shape[1], window.shape[0]),
        dst=window,
        interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
    )
    _repeat_edges(out, rows, columns)


@dataclass(frozen=True, slots=True)
class _Span:
    """The visible part of a crop along one axis, in frame pixels and in crop pixels."""

    first: int
    last: int
    out_first: int
    out_last: int


def _visible_span(centre_px: float, side_px: float, frame_px: int, out_px: int) -> _Span:
    start = centre_px - side_px / 2.0
    first = min(max(0, math.floor(start + 0.5)), frame_px - 1)
    last = max(min(frame_px, math.floor(start + side_px + 0.5)), first + 1)
    per_px = out_px / side_px
    out_first = min(max(0, round((first - start) * per_px)), out_px - 1)
    out_last = max(min(out_px, round((last - start) * per_px)), out_first + 1)
    return _Span(first, last, out_first, out_last)


def _repeat_edges(out: NDArray[np.uint8], rows: _Span, columns: _Span) -> None:
    size = out.shape[0]
    if columns.out_first > 0:
        out[:, : columns.out_first] = out[:, columns.out_first : columns.out_first + 1]
    if columns.out_last < size:
        out[:, columns.out_last :] = out[:, columns.out_last - 1 : columns.out_last]
    if rows.out_first > 0:
        out[: rows.out_first] = out[rows.out_first]
    if rows.out_last < size:
        out[rows.out_last :] = out[rows.out_last - 1]
