"""How soon a face that enters an empty room is looked at, and found, though camera and detector rest.

A program, because it needs the data files and takes a minute::

    python -m tests.measure_entries --entries 200

Each clip is a photo without faces behind sensor noise, into which a held-out portrait walks or, the worst
case, appears. The device's own rest, motion gate and detector watch it. A face has entered once half of it is
in the picture.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from agent.cameras.rest import Rest
from agent.detector import Detector
from agent.frame import Frame
from agent.inference.loading import load_network
from agent.inference.manifest import Bundle
from agent.picture.motion_gate import MotionGate
from agent.settings import DetectorSettings, ModelsSettings, SourceBase
from models.portraits import read_portraits
from models.protocols.subject import named_entries
from models.scenes import read_scenes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from models.portraits import Portrait

    Pixels = NDArray[np.uint8]

BUNDLE = Path(__file__).resolve().parent.parent / "models" / "bundle"
HEIGHT_PX, WIDTH_PX = 480, 640
FPS = 15.0
QUIET_S = 4.0
"""Before the entry; the gate looks at every frame of a new scene for the first of them."""
AFTER_S = 3.0
NOISE_ROOM_PX = 64
"""Each picture sees another part of one field of noise, this much larger than itself."""
LATEST_S = 1.0
"""An entry comes up to this much after the quiet time, so that it meets every point of a rest."""


@dataclass(frozen=True, slots=True)
class Entry:
    """When a face was in the picture, looked at and found; seconds after it entered."""

    looked_after_s: float
    found_after_s: float | None


def portrait_tile(portrait: Portrait, height_px: int) -> tuple[Pixels, NDArray[np.float32]]:
    """Face and hair as BGR with a soft oval mask; the face is ``height_px`` tall."""
    left, top, width, height = portrait.box
    scale = height_px / height
    grey = cv2.resize(portrait.grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    rows, columns = np.mgrid[: grey.shape[0], : grey.shape[1]]
    centre = ((top + height / 2) * scale, (left + width / 2) * scale)
    radius = np.hypot(
        (rows - centre[0]) / (0.75 * height * scale), (columns - centre[1]) / (0.8 * width * scale)
    )
    alpha = np.clip((1.1 - radius) / 0.2, 0, 1).astype(np.float32)[..., None]
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8), alpha


def clip(
    dice: np.random.Generator, room: Pixels, portrait: Portrait
) -> tuple[Iterator[tuple[float, Pixels]], float]:
    """Times and pictures of one entry, and when half of the face is in."""
    height_px = int(np.exp(dice.uniform(np.log(36), np.log(200))))
    tile, alpha = portrait_tile(portrait, height_px)
    rows, columns = tile.shape[:2]
    top = int(dice.integers(0, max(1, HEIGHT_PX - rows)))
    place = int(dice.integers(0, max(1, WIDTH_PX - columns)))
    speed_px_per_s = float(dice.choice([0.0, 60.0, 150.0, 400.0]))
    appears_s = QUIET_S + float(dice.uniform(0.0, LATEST_S))
    field = dice.standard_normal((HEIGHT_PX + NOISE_ROOM_PX, WIDTH_PX + NOISE_ROOM_PX, 3), np.float32)
    noise = (field * dice.uniform(1.0, 6.0)).astype(np.int16)
    face_centre = (portrait.box[0] + portrait.box[2] / 2) * height_px / portrait.box[3]
    entered_s = appears_s + (face_centre / speed_px_per_s if speed_px_per_s else 0.0)

    def pictures() -> Iterator[tuple[float, Pixels]]:
        for number in range(int((entered_s + AFTER_S) * FPS)):
            at_s = number / FPS
            scene = room.copy()
            if at_s >= appears_s:
                walked = int((at_s - appears_s) * speed_px_per_s) if speed_px_per_s else WIDTH_PX
                right = min(place + columns, walked)
                shown = min(columns, right)
                if shown > 0:
                    window = scene[top : top + rows, right - shown : right]
                    seen, mask = (
                        tile[: len(window), columns - shown :],
                        alpha[: len(window), columns - shown :],
                    )
                    window[:] = window + (seen - window.astype(np.float32)) * mask
            down, across = dice.integers(0, NOISE_ROOM_PX, 2)
            part = noise[down : down + HEIGHT_PX, across : across + WIDTH_PX]
            yield at_s, np.asarray(cv2.add(scene, part, dtype=cv2.CV_8U), np.uint8)

    return pictures(), entered_s


def watch(
    pictures: Iterator[tuple[float, Pixels]], entered_s: float, detector: Detector, bound_s: float
) -> Entry:
    """Let the device look as it would."""
    gate, rest = MotionGate(bound_s), Rest()
    looked_s: float | None = None
    found_s: float | None = None
    for at_s, pixels in pictures:
        if rest.covers(at_s):
            continue
        if gate.admits(pixels, at_s) and at_s >= entered_s:
            looked_s = at_s if looked_s is None else looked_s
            if detector.detect(Frame(pixels, at_s, "room", 0)):
                found_s = at_s
                break
        rest.until(gate.rests_until_s)
    if looked_s is None:
        return Entry(float("inf"), None)
    return Entry(looked_s - entered_s, None if found_s is None else found_s - entered_s)


def measure(data_dir: Path, entries: int, seed: int) -> dict[str, float]:
    """Watch that many entries."""
    dice = np.random.default_rng(seed)
    bundle = Bundle.load(BUNDLE)
    name, entry = next(iter(named_entries(bundle, ModelsSettings().detector).items()))
    network = load_network(bundle, name, entry, backend="onnxruntime", precision="int8_u8s8", threads=1)
    detector = Detector(network, DetectorSettings())
    rooms = [room for room in read_scenes(data_dir, "valid") if not len(room.faces) and not len(room.ignored)]
    portraits: Sequence[Portrait] = read_portraits(data_dir, "valid")
    bound_s = float(SourceBase.model_fields["idle_interval_ms"].default) / 1000.0
    results: list[Entry] = []
    while len(results) < entries:
        photo = rooms[int(dice.integers(len(rooms)))].pixels
        room = np.asarray(cv2.resize(photo, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_CUBIC), np.uint8)
        if detector.detect(Frame(room, 0.0, "room", 0)):
            continue  # somebody far away, or what is taken for a face: not an empty room
        pictures, entered_s = clip(dice, room, portraits[int(dice.integers(len(portraits)))])
        results.append(watch(pictures, entered_s, detector, bound_s))
    looked = np.array([result.looked_after_s for result in results])
    found = np.array([result.found_after_s for result in results if result.found_after_s is not None])
    return {
        "entries": len(results),
        "bound_s": bound_s,
        "looked_at_within_bound": int((looked <= bound_s).sum()),
        "looked_at_after_s_max": round(float(looked.max()), 3),
        "found": len(found),
        "found_within_bound": int((found <= bound_s).sum()),
        "found_after_s_median": round(float(np.median(found)), 3),
    }


def main() -> None:
    """Print the figures as one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entries", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    options = parser.parse_args()
    print(json.dumps(measure(options.data, options.entries, options.seed), indent=1))  # noqa: T201 - its output


if __name__ == "__main__":
    main()
