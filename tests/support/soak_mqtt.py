"""Long runs of the publisher against a real mosquitto; figures as one JSON object on stdout.

* ``python -m tests.support.soak_mqtt faults --windows 1000 --seed 1``: random cuts, stalls, restarts and
  kills; no window that was out of danger may be lost, none may arrive twice unflagged.
* ``python -m tests.support.soak_mqtt kills --runs 50 --seed 1``: kill -9 at random instants while offline.
* ``python -m tests.support.soak_mqtt online --minutes 10``: under strace; nothing may be opened for writing.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.lossy_proxy import LossyProxy
from tests.support.mosquitto_fixtures import Broker, BrokerOptions, Recorder

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.mosquitto_fixtures import Record

Key = tuple[str, int]
_DRAIN_S = 90.0
_FAULT_WINDOW_S = 0.12
"""Short enough to finish, long enough for several windows between two faults."""


class Agent:
    """One publisher process after the other, and the ledger of windows they called safe."""

    def __init__(self, port: int, state: Path, window_s: float = 0.02) -> None:
        self.safe: list[Key] = []
        self.kills = 0
        self._port = port
        self._environment = os.environ | {"SOAK_WINDOW_S": str(window_s), "SOAK_KEEPALIVE_S": "5"}
        self._state = state
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def start(self, windows: int = 1_000_000) -> None:
        """A new session; windows flow at once."""
        arguments = ["-m", "tests.support.publisher_process", str(self._port), str(self._state), str(windows)]
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=self._environment,
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,))
        self._reader.start()

    def kill(self) -> None:
        """Kill -9."""
        self.kills += 1
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, and wait for the clean end."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        assert self._process is not None
        assert self._reader is not None
        self._process.send_signal(number)
        self._process.wait(timeout=60)
        self._reader.join()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if line.endswith("\n") and line != "done\n":
                session, seq = line.split()
                self.safe.append((session, int(seq)))


def verdict(agent: Agent, records: list[Record]) -> dict[str, Any]:
    """Compare the ledger with what arrived."""
    windows = [record for record in records if "/counts/" in record.topic]
    arrived = [(message["session_id"], message["seq"]) for message in (record.json for record in windows)]
    first_seen: dict[Key, bool] = {}
    unflagged = 0
    for key, record in zip(arrived, windows, strict=True):
        if key in first_seen and not record.json["historical"] and not record.repeated:
            unflagged += 1
        first_seen.setdefault(key, True)
    ledger = set(agent.safe)
    last = {session: max(seq for s, seq in ledger if s == session) for session, _ in ledger}
    order: dict[str, list[int]] = {}
    for session, seq in first_seen:
        order.setdefault(session, []).append(seq)
    return {
        "safe": len(ledger),
        "arrived": len(first_seen),
        "lost": len(ledger - set(first_seen)),
        "invented": sum(seq > last.get(session, -1) + 1 for session, seq in first_seen),
        "unflagged_duplicates": unflagged,
        "flagged_duplicates": len(arrived) - len(first_seen) - unflagged,
        "historical": sum(record.json["historical"] for record in windows),
        "sessions": len(order),
        "out_of_order_sessions": sum(seqs != sorted(seqs) for seqs in order.values()),
        "kills": agent.kills,
        "most_copies": max(Counter(arrived).values(), default=0),
    }


def faults(windows: int, seed: int) -> dict[str, Any]:
    """Random faults until ``windows`` windows are safe, then peace until all have arrived."""
    chance = random.Random(seed)  # noqa: S311 - repeatable faults, no secrets
    happened: Counter[str] = Counter()
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "state").mkdir()
        with Broker(folder, BrokerOptions(persistent=True)) as broker, LossyProxy(broker.port) as proxy:
            agent = Agent(proxy.port, folder / "state", _FAULT_WINDOW_S)
            choices = _choices(chance, broker, proxy, agent)
            with Recorder(broker, session="soak-reader") as recorder:
                agent.start()
                while len(agent.safe) < windows:
                    time.sleep(chance.uniform(0.1, 0.8))
                    fault = chance.choice(sorted(choices))
                    happened[fault] += 1
                    choices[fault]()
                agent.stop()
                agent.start(windows=0)
                _drained(recorder, agent)
                agent.stop()
            result = verdict(agent, recorder.records)
            result["left_in_state_folder"] = sorted(path.name for path in (folder / "state").iterdir())
    return result | {"faults": dict(happened), "seed": seed, "seconds": round(time.monotonic() - started_s)}


def _choices(
    chance: random.Random, broker: Broker, proxy: LossyProxy, agent: Agent
) -> dict[str, Callable[[], None]]:
    def restart_broker() -> None:
        broker.stop()
        time.sleep(chance.uniform(0.0, 1.0))
        broker.start()

    def stall_broker() -> None:
        broker.pause()
        time.sleep(chance.uniform(0.2, 3.0))
        broker.resume()

    def swallow() -> None:
        proxy.swallow(on=True)
        time.sleep(chance.uniform(0.2, 8.0))
        proxy.swallow(on=False)

    def outage() -> None:
        proxy.refuse(on=True)
        time.sleep(chance.uniform(0.2, 2.0))
        proxy.refuse(on=False)

    def restart_agent() -> None:
        agent.stop()
        agent.start()

    def kill_agent() -> None:
        agent.kill()
        agent.start()

    def kill_agent_offline() -> None:
        proxy.refuse(on=True)
        time.sleep(chance.uniform(0.1, 1.5))
        agent.kill()
        proxy.refuse(on=False)
        agent.start()

    return {
        function.__name__: function
        for function in (
            restart_broker,
            stall_broker,
            swallow,
            outage,
            restart_agent,
            kill_agent,
            kill_agent_offline,
            proxy.cut,
        )
    }


def _drained(recorder: Recorder, agent: Agent) -> None:
    def all_here(records: list[Record]) -> bool:
        told = (record.json for record in records if "/counts/" in record.topic)
        return set(agent.safe) <= {(message["session_id"], message["seq"]) for message in told}

    try:
        recorder.wait_for(all_here, _DRAIN_S)
    except AssertionError as error:
        logging.getLogger(__name__).warning("%s", error)


def kills(runs: int, seed: int) -> dict[str, Any]:
    """``runs`` offline sessions, each killed at a random instant; one more delivers what they left."""
    chance = random.Random(seed)  # noqa: S311 - repeatable faults, no secrets
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "state").mkdir()
        broker = Broker(folder)
        agent = Agent(broker.port, folder / "state")
        for _ in range(runs):
            before = len(agent.safe)
            agent.start()
            while len(agent.safe) == before:
                time.sleep(0.001)
            time.sleep(chance.uniform(0.0, 0.7))
            agent.kill()
        with broker, Recorder(broker) as recorder:
            agent.start(windows=0)
            _drained(recorder, agent)
            agent.stop()
        return verdict(agent, recorder.records) | {"seed": seed, "runs": runs}


def online(minutes: float) -> dict[str, Any]:
    """Health every second and a window every 20 ms for ``minutes``, all calls that open files traced."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "state").mkdir()
        trace = folder / "trace"
        calls = "trace=openat,open,creat,rename,renameat2,unlink,unlinkat,mkdir,mkdirat,truncate,ftruncate"
        with Broker(folder) as broker, Recorder(broker) as recorder:
            child = [sys.executable, "-B", "-m", "tests.support.publisher_process"]
            arguments = [str(broker.port), str(folder / "state"), str(10**9), "online"]
            process = subprocess.Popen(
                ["strace", "-f", "-qq", "-e", calls, "-o", str(trace), *child, *arguments],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            time.sleep(60.0 * minutes)
            traced = subprocess.check_output(["pgrep", "-P", str(process.pid)], text=True).split()[0]
            subprocess.run(["kill", "-TERM", traced], check=True)
            process.wait(30)
        marks = ("O_WRONLY", "O_RDWR", "O_CREAT", "creat(", "rename", "unlink", "mkdir", "truncate")
        lines = trace.read_text().splitlines()
        written = [line for line in lines if any(mark in line for mark in marks)]
        return {
            "minutes": minutes,
            "windows_arrived": len(recorder.on("counts")),
            "calls_traced": len(lines),
            "opened_for_writing": written,
        }


def main() -> None:
    """See the module."""
    logging.basicConfig(level=logging.WARNING)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("faults")
    command.add_argument("--windows", type=int, default=1000)
    command.add_argument("--seed", type=int, default=1)
    command.set_defaults(run=lambda given: faults(given.windows, given.seed))
    command = commands.add_parser("kills")
    command.add_argument("--runs", type=int, default=50)
    command.add_argument("--seed", type=int, default=1)
    command.set_defaults(run=lambda given: kills(given.runs, given.seed))
    command = commands.add_parser("online")
    command.add_argument("--minutes", type=float, default=10.0)
    command.set_defaults(run=lambda given: online(given.minutes))
    given = parser.parse_args()
    sys.stdout.write(json.dumps(given.run(given), indent=1) + "\n")


if __name__ == "__main__":
    main()
