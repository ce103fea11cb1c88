"""What a Video4Linux camera offers: pixel formats, sizes and rates, asked of its driver.

Structures and request numbers are those of linux/videodev2.h; its documentation is the kernel's "Video for
Linux API", chapters VIDIOC_ENUM_FMT, VIDIOC_ENUM_FRAMESIZES and VIDIOC_ENUM_FRAMEINTERVALS. The numbers hold
on x86 and ARM. Enumerating disturbs nobody: it works while another program takes pictures.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    Ask = Callable[[int, bytearray], None]
    """Sends one request with its structure, which the driver changes in place; raises OSError."""

_FORMAT: Final = struct.Struct("=III32sII12x")
"""struct v4l2_fmtdesc: index, type, flags, description, pixelformat, mbus_code."""
_SIZE: Final = struct.Struct("=III6I8x")
"""struct v4l2_frmsizeenum: index, pixel_format, type, then width and height, or their ranges."""
_INTERVAL: Final = struct.Struct("=IIIII6I8x")
"""struct v4l2_frmivalenum: index, pixel_format, width, height, type, then a fraction, or a range of them."""


def _read_write(number: int, structure: struct.Struct) -> int:
    """_IOWR of asm-generic/ioctl.h for the type 'V'."""
    return 3 << 30 | structure.size << 16 | ord("V") << 8 | number


ENUM_FORMATS: Final = _read_write(2, _FORMAT)
ENUM_SIZES: Final = _read_write(74, _SIZE)
ENUM_INTERVALS: Final = _read_write(75, _INTERVAL)

_VIDEO_CAPTURE: Final = 1
_COMPRESSED: Final = 1
_DISCRETE: Final = 1
_MOST_ANSWERS: Final = 256
"""No camera has more; a driver that never says that it is done ends here."""
_SLACK_FPS: Final = 0.1
"""A camera's 29.97 frames a second are the 30 that were asked for."""
_NO_MORE: Final = {errno.EINVAL, errno.ENOTTY, errno.ENODATA}
"""End of a list, or a list that the driver doesn't keep."""


@dataclass(frozen=True, slots=True)
class CameraMode:
    """A pixel format, size and rate that a camera can be asked for."""

    fourcc: str
    """Four characters, such as "MJPG" or "YUYV"."""
    width_px: int
    height_px: int
    fps: float


@dataclass(frozen=True, slots=True)
class OfferedFormat:
    """A pixel format with the size and rate that come nearest to what was wanted."""

    mode: CameraMode
    description: str
    """The driver's words, such as "Motion-JPEG"."""
    compressed: bool


def offered_formats(ask: Ask, width_px: int, height_px: int, fps: float) -> tuple[OfferedFormat, ...]:
    """Every format of a camera, in the driver's order; empty for a node that takes no pictures.

    Args:
        ask: The camera.
        width_px: Wanted; the smallest size that holds it is taken, else the largest there is.
        height_px: Likewise.
        fps: Wanted; the lowest rate that reaches it is taken, else the highest there is.
    """
    found = []
    for _, flags, text, code, _ in _answers(ask, ENUM_FORMATS, _FORMAT, (_VIDEO_CAPTURE, 0, b"", 0, 0)):
        width, height = _nearest_size(ask, code, width_px, height_px)
        mode = CameraMode(_fourcc(code), width, height, _nearest_rate(ask, code, (width, height), fps))
        words = text.split(b"\0", 1)[0].decode(errors="replace")
        found.append(OfferedFormat(mode, words, bool(flags & _COMPRESSED)))
    return tuple(found)


@contextmanager
def asking(device: Path) -> Iterator[Ask]:
    """Open a device node for requests only.

    Raises:
        OSError: It is absent or may not be opened.
    """
    descriptor = os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def ask(request: int, structure: bytearray) -> None:
        fcntl.ioctl(descriptor, request, structure, True)  # noqa: FBT003 - changed in place

    try:
        yield ask
    finally:
        os.close(descriptor)


def what_is_there(absent: Path) -> str:
    """What to do about a device path that leads nowhere, with the present one that looks most like it."""
    nodes = Path("/dev")
    present = _paths(absent.parent, "video*" if absent.parent == nodes else "*") or _paths(nodes, "video*")
    if not present:
        return "no camera is plugged in, so check its cable"
    nearest = get_close_matches(str(absent), present, n=1, cutoff=0.0)[0]
    return f"the nearest is {nearest}, so correct device or plug the camera in"


def _paths(folder: Path, pattern: str) -> list[str]:
    return sorted(str(path) for path in folder.glob(pattern) if path.exists())


def _answers(
    ask: Ask, request: int, layout: struct.Struct, question: tuple[int | bytes, ...]
) -> Iterator[tuple[Any, ...]]:
    """Entries of one of the driver's lists, without the index that all their structures begin with."""
    for index in range(_MOST_ANSWERS):
        structure = bytearray(layout.pack(index, *question))
        try:
            ask(request, structure)
        except OSError as error:
            if error.errno in _NO_MORE:
                return
            raise
        yield layout.unpack(structure)[1:]


def _nearest_size(ask: Ask, code: int, width_px: int, height_px: int) -> tuple[int, int]:
    sizes = []
    for _, kind, *numbers in _answers(ask, ENUM_SIZES, _SIZE, (code, 0, *[0] * 6)):
        if kind != _DISCRETE:
            return _stepped(width_px, *numbers[:3]), _stepped(height_px, *numbers[3:])
        sizes.append((int(numbers[0]), int(numbers[1])))
    if not sizes:
        return width_px, height_px
    holding = [size for size in sizes if size[0] >= width_px and size[1] >= height_px]
    return min(holding, key=prod) if holding else max(sizes, key=prod)


def _nearest_rate(ask: Ask, code: int, size_px: tuple[int, int], fps: float) -> float:
    rates = []
    question = (code, *size_px, 0, *[0] * 6)
    for _, _, _, kind, *numbers in _answers(ask, ENUM_INTERVALS, _INTERVAL, question):
        # Seconds per frame as fractions: a single one, or the shortest, the longest and the step.
        highest = float(numbers[1] / max(1, numbers[0]))
        if kind != _DISCRETE:
            return min(max(fps, float(numbers[3] / max(1, numbers[2]))), highest)
        rates.append(highest)
    if not rates:
        return fps
    reaching = [rate for rate in rates if rate >= fps - _SLACK_FPS]
    return min(reaching) if reaching else max(rates)


def _stepped(wanted_px: int, least_px: int, most_px: int, step_px: int) -> int:
    """The smallest allowed value that reaches the wanted one, else the largest."""
    steps = -(-(max(wanted_px, least_px) - least_px) // max(1, step_px))
    return min(most_px, least_px + steps * max(1, step_px))


def _fourcc(code: int) -> str:
    return (code & 0x7FFF_FFFF).to_bytes(4, "little").decode("ascii", errors="replace")
