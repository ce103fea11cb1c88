"""Runs the package ``trackers`` on scenes in the MOTChallenge format; a script for another interpreter.

Arguments: folders as ``mot.write_mot`` leaves them. stdout: one JSON object of scores by tracker and scene.
Every tracker has its package's own defaults and is told the frame rate.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

# A script's own folder comes first on the path; nothing of it is meant.
sys.path = [entry for entry in sys.path if Path(entry).resolve() != Path(__file__).resolve().parent]

PERCENT = 100.0


def main() -> None:
    """Track every scene with each tracker and judge all, ours included."""
    import trackers  # type: ignore[import-not-found] # noqa: PLC0415 - what is missing is the caller's to say

    makers = {
        "SORT": trackers.SORTTracker,
        "ByteTrack": trackers.ByteTrackTracker,
        "OC-SORT": trackers.OCSORTTracker,
        "C-BIoU": trackers.CBIoUTracker,
    }
    scores: dict[str, dict[str, Any]] = {name: {} for name in ("ours", *makers)}
    for folder in map(Path, sys.argv[1:]):
        fps = float((folder / "fps.txt").read_text())
        scores["ours"][folder.name] = judge(folder, folder / "ours.txt")
        for name, make in makers.items():
            told = folder / f"{name}.txt"
            track(make(frame_rate=fps), folder, told)
            scores[name][folder.name] = judge(folder, told)
    sys.stdout.write(json.dumps(scores) + "\n")


def track(tracker: Any, folder: Path, told: Path) -> None:
    """Write the tracks that one tracker makes of a scene's detections."""
    import numpy as np  # noqa: PLC0415
    import supervision  # type: ignore[import-not-found] # noqa: PLC0415

    by_frame: dict[int, list[list[float]]] = {}
    for line in (folder / "det.txt").read_text().splitlines():
        frame, _, left, top, width, height, score, *_ = map(float, line.split(","))
        by_frame.setdefault(int(frame), []).append([left, top, left + width, top + height, score])
    shown = (line for name in ("det", "gt") for line in (folder / f"{name}.txt").read_text().splitlines())
    last = max((int(line.split(",")[0]) for line in shown), default=0)
    with told.open("w") as file:
        for frame in range(1, last + 1):
            rows = np.array(by_frame.get(frame, []), np.float32).reshape(-1, 5)
            found = tracker.update(
                supervision.Detections(
                    xyxy=rows[:, :4], confidence=rows[:, 4], class_id=np.zeros(len(rows), int)
                )
            )
            for box, number in zip(found.xyxy, found.tracker_id if len(found) else (), strict=True):
                if number >= 0:
                    left, top, right, bottom = map(float, box)
                    sides = f"{left:.2f},{top:.2f},{right - left:.2f},{bottom - top:.2f}"
                    file.write(f"{frame},{int(number) + 1},{sides},1,1,1\n")


def judge(folder: Path, told: Path) -> dict[str, float]:
    """HOTA and IDF1 in percent, switches and fragments, and how many tracks of how many people."""
    from trackers.eval import evaluate_mot_sequence  # type: ignore[import-not-found] # noqa: PLC0415

    result = evaluate_mot_sequence(folder / "gt.txt", told, ["CLEAR", "HOTA", "Identity"])
    return {
        "hota": PERCENT * float(result.HOTA.HOTA),
        "idf1": PERCENT * float(result.Identity.IDF1),
        "switches": int(result.CLEAR.IDSW),
        "fragments": int(result.CLEAR.Frag),
        "tracks": numbers(told),
        "people": numbers(folder / "gt.txt"),
    }


def numbers(path: Path) -> int:
    """How many different ones are in the second column."""
    return len({line.split(",")[1] for line in path.read_text().splitlines()})


if __name__ == "__main__":
    main()
