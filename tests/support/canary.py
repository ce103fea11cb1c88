"""Pixels that occur nowhere by chance, and the search for them in bytes, text and a process's memory."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

SIDE_PX: Final = 320
"""Of the pictures: the detector's own input size, so that its input holds the canary byte for byte too."""
_BLOCK_PX: Final = 64
_PROBE_PX: Final = 12
"""Pixels of a row that are searched for: 36 bytes in colour, far beyond coincidence."""
_CHUNK_BYTES: Final = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Canary:
    """A square of random pixels, H×W×3 uint8 BGR."""

    pixels: NDArray[np.uint8]

    def raw_needles(self) -> list[bytes]:
        """Bytes of some rows as they lie in memory: BGR, RGB, grey, and each colour plane alone."""
        grey = cv2.cvtColor(self.pixels, cv2.COLOR_BGR2GRAY)
        rows = range(4, _BLOCK_PX - 4, 8)
        colour = [self.pixels, self.pixels[:, :, ::-1]]
        needles = [form[row, 20 : 20 + _PROBE_PX].tobytes() for form in colour for row in rows]
        # Of a single channel three times the width is looked for, so that all needles are equally long.
        for channel in (grey, *np.moveaxis(self.pixels, 2, 0)):
            needles += [channel[row, 20 : 20 + 3 * _PROBE_PX].tobytes() for row in rows]
        return needles

    def needles(self) -> list[bytes]:
        """The raw ones, and what prints, logs and encoders make of them: hex, base64, lists of numbers."""
        found = []
        for raw in self.raw_needles():
            found += [raw, raw.hex().encode(), raw.hex().upper().encode()]
            # Base64 of a longer stream depends on where the piece begins in its groups of three.
            for shift in range(3):
                whole = raw[shift : shift + (len(raw) - shift) // 3 * 3]
                found.append(base64.b64encode(whole))
        for row in self.pixels[8:_BLOCK_PX:8]:
            numbers = [str(value) for value in row[20:24].reshape(-1)]
            found += [", ".join(numbers[:6]).encode(), ",".join(numbers[:6]).encode()]
        return found


def make_canary(seed: int) -> Canary:
    """Random pixels; the same for the same seed."""
    return Canary(np.random.default_rng(seed).integers(0, 256, (_BLOCK_PX, _BLOCK_PX, 3), dtype=np.uint8))


def write_pictures(folder: Path, canary: Canary, face: NDArray[np.uint8], number: int) -> Path:
    """Lossless pictures with a face (H×W×3 BGR) that moves a little, and the canary in the corner."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(number):
        picture = np.full((SIDE_PX, SIDE_PX, 3), 90, np.uint8)
        height, width = face.shape[:2]
        left = 100 + 2 * (index % 20)
        picture[90 : 90 + height, left : left + width] = face
        picture[:_BLOCK_PX, :_BLOCK_PX] = canary.pixels
        assert cv2.imwrite(str(folder / f"{index:04}.png"), picture)
    return folder


def found_in(data: bytes, needles: list[bytes]) -> list[bytes]:
    """The needles that occur."""
    return [needle for needle in needles if needle in data]


def found_in_numbers(text: str, canary: Canary) -> bool:
    """Whether a printed array of the canary's pixels occurs, whatever separates the numbers."""
    row = canary.pixels[8, 20:22].reshape(-1)
    return re.search(r"\D+".join(str(value) for value in row), text) is not None


def found_in_memory(pid: int, needles: list[bytes]) -> list[str]:
    """Regions of a process's readable memory that hold a needle; reading it takes root.

    The process must stand still. Pages are read in chunks that overlap by the longest needle.
    """
    overlap = max(map(len, needles))
    pattern = re.compile(b"|".join(re.escape(needle) for needle in needles))
    hits = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:  # noqa: PTH123 - a file of the kernel
        for start, end, name in _readable_regions(pid):
            for offset in range(start, end, _CHUNK_BYTES):
                try:
                    memory.seek(offset)
                    data = memory.read(min(_CHUNK_BYTES + overlap, end - offset))
                except (OSError, ValueError):
                    break  # a device's mapping, or [vsyscall]
                if pattern.search(data):
                    hits.append(f"{start:x}-{end:x} {name}")
                    break
    return hits


def _readable_regions(pid: int) -> Iterator[tuple[int, int, str]]:
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as maps:  # noqa: PTH123
        for line in maps:
            fields = line.split(maxsplit=5)
            start, end = (int(edge, 16) for edge in fields[0].split("-"))
            # Files mapped read-only, such as libraries, hold no picture; pages of the heap do.
            if fields[1].startswith("rw"):
                yield start, end, fields[5].strip() if len(fields) > 5 else "anonymous"
