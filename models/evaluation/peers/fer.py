"""Runs the ``fer`` package on frames from stdin; a script for another interpreter, importing nothing of ours.

stdin: one line of JSON (shape, rounds), then the frames' bytes. stdout: one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

# A script's own folder comes first on the path, and there this file would be taken for the package.
_HERE = Path(__file__).resolve().parent
sys.path = [entry for entry in sys.path if Path(entry).resolve() != _HERE]

_LABELS = {"angry": "anger", "happy": "happiness", "sad": "sadness"}
"""The package's words in ours, where they differ."""


def main() -> None:
    """Answer for one clip."""
    header = json.loads(sys.stdin.buffer.readline())
    content = sys.stdin.buffer.read()
    try:
        import importlib.metadata  # noqa: PLC0415 - what is missing shall be said, not raised

        import numpy as np  # noqa: PLC0415
        from fer.fer import FER  # type: ignore[import-not-found] # noqa: PLC0415
    except ImportError as error:
        sys.stdout.write(json.dumps({"missing": error.name or str(error)}) + "\n")
        return
    frames = np.frombuffer(content, np.uint8).reshape(header["shape"])
    detector = FER()
    labels, spent_ms = [], []
    for shown in range(header["rounds"]):
        for frame in frames:
            started_s = time.perf_counter()
            found = detector.detect_emotions(frame.copy())
            if shown:
                spent_ms.append(1000.0 * (time.perf_counter() - started_s))
                labels.append([_label(face["emotions"]) for face in found])
    answer = {
        "ms": sum(spent_ms) / len(spent_ms),
        "labels": labels,
        "version": f"fer {importlib.metadata.version('fer')}",
    }
    sys.stdout.write(json.dumps(answer) + "\n")


def _label(emotions: dict[str, float]) -> str:
    best = max(emotions, key=lambda word: emotions[word])
    return _LABELS.get(best, best)


if __name__ == "__main__":
    main()
