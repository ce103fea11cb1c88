"""How large a picture may be, and how large it says it is before anything decodes it."""

from __future__ import annotations

import re
import struct
from typing import Final

from agent.domain import LARGEST_PICTURE_PX

LARGEST_PART_BYTES: Final = 16_000_000
"""Of one encoded picture that a camera sends; 12 megapixels at the best JPEG quality have about 10 MB."""
LARGEST_FILE_BYTES: Final = 80_000_000
"""Of one picture in a replayed folder: 12 megapixels with 16 bits a colour, not compressed."""

_NO_FRAME: Final = {0xC4, 0xC8, 0xCC}
"""Markers among those of JPEG's frames that begin something else: Huffman, extensions, arithmetic coding."""
_PNM: Final = re.compile(rb"P[1-6]\s+(?:#[^\n]*\n\s*)*(\d{1,9})\s+(?:#[^\n]*\n\s*)*(\d{1,9})\s")


def is_too_large(width_px: float, height_px: float) -> bool:
    """Whether a picture of this size is refused."""
    return width_px * height_px > LARGEST_PICTURE_PX


def announced_size(data: bytes) -> tuple[int, int] | None:
    """Width and height by the header of a JPEG, PNG, BMP, PNM, WebP or TIFF; None for anything else."""
    try:
        return next((size_of(data) for start, size_of in _FORMATS if re.match(start, data, re.DOTALL)), None)
    except (struct.error, IndexError, KeyError):
        return None  # it breaks off in its header


def _pair(layout: str, data: bytes, at: int) -> tuple[int, int]:
    first, second = struct.unpack_from(layout, data, at)
    return first, second


def _jpeg(data: bytes) -> tuple[int, int]:
    """ITU T.81, annex B: segments up to the frame's, past whatever lies between them, as decoders do."""
    at = 2
    while True:
        while data[at] != 0xFF or data[at + 1] in {0x00, 0xFF}:  # noqa: PLR2004 - a marker's first byte; no marker
            at += 1
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4])
        if marker & 0xF0 == 0xC0 and marker not in _NO_FRAME:  # noqa: PLR2004 - frames are C0 to CF
            height, width = _pair(">HH", data, at + 5)
            return width, height
        # Restart markers, start, end and TEM have no length.
        at += 2 + (0 if 0xD0 <= marker <= 0xD9 or marker == 1 else length)  # noqa: PLR2004 - see above


def _bmp(data: bytes) -> tuple[int, int]:
    is_oldest = data[14] == struct.calcsize("<III")
    width, height = _pair("<HH" if is_oldest else "<ii", data, 18)
    return abs(width), abs(height)


def _pnm(data: bytes) -> tuple[int, int]:
    match = _PNM.match(data)
    if match is None:
        raise IndexError
    return int(match[1]), int(match[2])


def _webp(data: bytes) -> tuple[int, int]:
    """RFC 9649: the canvas of an extended file, else a lossless or a lossy frame's size."""
    data[29]  # all of them are that long
    if data[12:16] == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if data[12:16] == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = _pair("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _tiff(data: bytes) -> tuple[int, int]:
    """TIFF 6.0: tags 256 and 257 of the first directory."""
    order = "<" if data.startswith(b"I") else ">"
    start = struct.unpack_from(f"{order}I", data, 4)[0]
    tags = {}
    for place in range(start + 2, start + 2 + 12 * struct.unpack_from(f"{order}H", data, start)[0], 12):
        tag, kind = _pair(f"{order}HH", data, place)
        tags[tag] = struct.unpack_from(f"{order}{'H' if kind == 3 else 'I'}", data, place + 8)[0]  # noqa: PLR2004 - SHORT
    return tags[256], tags[257]


_FORMATS: Final = (
    (rb"\xff\xd8", _jpeg),
    (rb"\x89PNG\r\n\x1a\n", lambda data: _pair(">II", data, 16)),
    (rb"BM", _bmp),
    (rb"P[1-6]\s", _pnm),
    (rb"RIFF....WEBP", _webp),
    (rb"II\*\0|MM\0\*", _tiff),
)
"""How each begins, and who reads its header."""
