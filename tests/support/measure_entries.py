"""How soon a face that enters an empty room is looked at, and found, though camera and detector rest.

A program, because it needs the data files and takes a minute::

    python -m tests.support.measure_entries --entries 200

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

from agent.detector import Detector
from agent.frame import Frame
from agent.inference.backends.opening import load_network
from agent.inference.bundle.manifest import Bundle
from agent.settings import DetectorSettings, ModelsSettings
from agent.settings.sources import SourceBase
from agent.source.picture.motion_gate import MotionGate
from agent.source.rest import Rest
from models.data.portraits import read_portraits
from models.data.scenes import read_scenes
from models.evaluation.protocols.video_clip import HEIGHT_PX, WIDTH_PX, cut_head, draw_head
from models.evaluation.subject import named_entries
from tests.support.places import BUNDLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from models.data.portraits import Portrait

    Pixels = NDArray[np.uint8]


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


def clip(
    dice: np.random.Generator, room: Pixels, portrait: Portrait
) -> tuple[Iterator[tuple[float, Pixels]], float]:
    """Times and pictures of one entry, and when half of the face is in."""
    picture, (face_width_px, face_height_px), centre_px = cut_head(
        portrait, float(np.exp(dice.uniform(np.log(36), np.log(200))))
    )
    across_px = float(dice.uniform(face_width_px, WIDTH_PX - face_width_px))
    down_px = float(dice.uniform(face_height_px, HEIGHT_PX - face_height_px))
    speed_px_per_s = float(dice.choice([0.0, 60.0, 150.0, 400.0]))
    entered_s = QUIET_S + float(dice.uniform(0.0, LATEST_S))
    field = dice.standard_normal((HEIGHT_PX + NOISE_ROOM_PX, WIDTH_PX + NOISE_ROOM_PX, 3), np.float32)
    noise = (field * dice.uniform(1.0, 6.0)).astype(np.int16)

    def pictures() -> Iterator[tuple[float, Pixels]]:
        for number in range(int((entered_s + AFTER_S) * FPS)):
            at_s = number / FPS
            scene = room.copy()
            # From the left: when it enters, the face is centred on the edge, or stands in its place at once.
            walked_px = (at_s - entered_s) * speed_px_per_s if speed_px_per_s else WIDTH_PX
            if speed_px_per_s or at_s >= entered_s:
                draw_head(scene, picture, centre_px, (min(across_px, walked_px), down_px))
            top, left = dice.integers(0, NOISE_ROOM_PX, 2)
            part = noise[top : top + HEIGHT_PX, left : left + WIDTH_PX]
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
