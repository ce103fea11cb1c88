"""The real agent for an hour; cameras drop their line, the broker keeps restarting: does anything grow?

``python -m tests.support.soak_agent --minutes 60 --seed 1`` prints one JSON object: descriptors, threads and
memory of the agent and of its camera processes, medians of each tenth of the time; the faults; what arrived.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import cv2
import psutil

from agent.synthetic.visits import render
from tests.support.agent_process import AgentProcess, write_config
from tests.support.mjpeg_server import BOUNDARY, MjpegServer, StreamPlan
from tests.support.mosquitto_fixtures import Broker, BrokerOptions, Recorder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.mosquitto_fixtures import Record

FPS: Final = 4.0
WINDOW_S: Final = 5.0
FILM_S: Final = 40.0
"""Of visits, after which the camera drops the line."""
SAMPLE_S: Final = 5.0
TENTHS: Final = 10
CAMERA: Final = '[sources.{name}]\ntype = "opencv"\ndevice = "{url}"\n'


def film() -> list[bytes]:
    """Parts of an MJPEG stream: people come and go."""
    head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: "
    pictures = (cv2.imencode(".jpg", picture)[1].tobytes() for picture in islice(render(FILM_S), 0, None, 3))
    return [f"{head}{len(picture)}\r\n\r\n".encode() + picture + b"\r\n" for picture in pictures]


def played(parts: list[bytes]) -> Iterator[bytes]:
    """At a camera's pace, once."""
    started_s = time.monotonic()
    for number, part in enumerate(parts):
        time.sleep(max(0.0, started_s + number / FPS - time.monotonic()))
        yield part


def measure(agent: psutil.Process) -> dict[str, float]:
    """Of this moment; a camera process that ends meanwhile is left out."""
    figures: dict[str, float] = {}
    for name, processes in (("agent", [agent]), ("cameras", agent.children(recursive=True))):
        sums: Counter[str] = Counter()
        for process in processes:
            try:
                sums["descriptors"] += process.num_fds()
                sums["threads"] += process.num_threads()
                sums["memory_mb"] += round(process.memory_full_info().pss / 1e6, 1)
            except psutil.Error:
                continue
        figures |= {f"{name}_{what}": value for what, value in sums.items()}
    return figures


def tenths(samples: list[dict[str, float]]) -> dict[str, list[float]]:
    """Median of each tenth of the run, by figure."""
    names = sorted({name for sample in samples for name in sample})
    edges = [len(samples) * tenth // TENTHS for tenth in range(TENTHS + 1)]
    parts = [samples[start:end] for start, end in pairwise(edges)]
    return {
        name: [round(statistics.median([sample.get(name, 0.0) for sample in part]), 1) for part in parts]
        for name in names
    }


def broker_restarts(broker: Broker, chance: random.Random, stop: threading.Event) -> int:
    """Away for up to 20 s, here for up to a minute, until told to stop."""
    restarts = 0
    while not stop.wait(chance.uniform(10.0, 60.0)):
        (broker.stop if chance.random() < 0.5 else broker.kill)()
        stop.wait(chance.uniform(0.0, 20.0))
        broker.start()
        restarts += 1
    return restarts


def arrived(records: list[Record]) -> dict[str, int]:
    """Windows by source, and numbers that are missing between the first and the last."""
    numbers: dict[str, set[int]] = {}
    for record in records:
        if "/counts/" in record.topic:
            numbers.setdefault(record.topic.rsplit("/", 1)[1], set()).add(record.json["seq"])
    return {source: len(seqs) for source, seqs in numbers.items()} | {
        f"{source}_missing": max(seqs) - min(seqs) + 1 - len(seqs) for source, seqs in numbers.items()
    }


def soak(minutes: float, seed: int) -> dict[str, Any]:
    """Run it."""
    chance = random.Random(seed)  # noqa: S311 - repeatable faults, no secrets
    parts, stop = film(), threading.Event()
    samples: list[dict[str, float]] = []
    restarts: list[int] = []
    with tempfile.TemporaryDirectory() as name, Broker(Path(name), BrokerOptions(persistent=True)) as broker:
        plan = StreamPlan(frames=0, raw=lambda: played(parts))
        cameras = MjpegServer(plan), MjpegServer(plan)
        with cameras[0], cameras[1], Recorder(broker, session="soak") as recorder:
            config = write_config(
                Path(name),
                f'type = "opencv"\ndevice = "{cameras[0].url}"',
                broker.port,
                window_s=WINDOW_S,
                extra=CAMERA.format(name="gate", url=cameras[1].url),
            )
            faults = threading.Thread(target=lambda: restarts.append(broker_restarts(broker, chance, stop)))
            with AgentProcess(config) as agent:
                agent.wait_for_log("source gate delivers")
                watched, end_s = psutil.Process(agent.process.pid), time.monotonic() + 60.0 * minutes
                faults.start()
                while time.monotonic() < end_s:
                    time.sleep(SAMPLE_S)
                    samples.append(measure(watched))
                stop.set()
                faults.join()
                agent.signal(signal.SIGTERM)
                code = agent.wait()
            recorder.wait_for(lambda records: len(records) > 0)
            return {
                "minutes": minutes,
                "seed": seed,
                "exit": code,
                "broker_restarts": restarts[0],
                "camera_connections": sum(camera.clients for camera in cameras),
                "windows": arrived(recorder.records),
                "tenths": tenths(samples),
            }


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    sys.stdout.write(json.dumps(soak(given.minutes, given.seed), indent=1) + "\n")


if __name__ == "__main__":
    main()
