"""The whole agent as a process: a real clip, real networks, a real broker, real signals."""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from agent.contract.messages import CountsMessage, HealthMessage
from agent.inference.bundle.place import default_bundle_folder
from tests.support.agent_process import PINNED, AgentProcess, replay, write_config
from tests.support.contract import check_contract
from tests.support.lossy_proxy import LossyProxy
from tests.support.mosquitto_fixtures import Broker, Recorder
from tests.support.ports import free_port
from tests.support.waiting import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.mosquitto_fixtures import Record


def counts_seen(number: int) -> Callable[[list[Record]], object]:
    return lambda records: sum("/counts/" in record.topic for record in records) >= number


HEALTHS_OF_A_VISIT = 6
"""Told once a second at most, and after one second the clip's first visitor is there."""


def delivering(recorder: Recorder) -> int:
    """How often the agent has told that its camera delivers."""
    return sum(record.json["camera"]["state"] == "delivering" for record in recorder.on("health"))


def availability(recorder: Recorder) -> list[bytes]:
    return [record.payload for record in recorder.on("availability")]


def test_a_video_becomes_counts_a_birth_and_health_in_the_contracts_shape(
    broker: Broker, clip: Path, tmp_path: Path
) -> None:
    """On the film's own time, so that nothing depends on how fast the machine is."""
    config = write_config(tmp_path, replay(clip, realtime=False), broker.port)
    with (
        Recorder(broker) as recorder,
        AgentProcess(config, program="tests.support.film_agent") as agent,
    ):
        recorder.wait_for(lambda _: recorder.on("health"))
        (tmp_path / "begin").touch()
        assert agent.wait() == 0, agent.log
        recorder.wait_for(lambda records: records and records[-1].payload == b"offline")
    root = "emotion-agent/v1/lab/box-1"
    assert {record.topic for record in recorder.records} == {
        f"{root}/availability",
        f"{root}/birth",
        f"{root}/counts/door",
        f"{root}/health",
    }
    assert availability(recorder)[-2:] == [b"online", b"offline"]
    windows = [CountsMessage.model_validate_json(record.payload) for record in recorder.on("counts")]
    assert [window.seq for window in windows] == list(range(len(windows)))
    for earlier, later in itertools.pairwise(windows):
        assert later.window_start == earlier.window_end
    assert max(window.people or 0 for window in windows) >= 1
    happiness = sum(window.counts.happiness for window in windows if window.counts)
    everyone = sum(window.people or 0 for window in windows)
    assert happiness > everyone / 2, "the portrait smiles"
    assert len(windows) == 5
    assert windows[0].coverage >= 0.9
    assert [window.coverage for window in windows[1:]] == pytest.approx([1.0] * 4)
    birth = recorder.on("birth")[-1].json
    assert birth["models"]["detector"]["precision"]
    assert birth["models"]["signed_by"]
    assert birth["policy"] == {
        "window_s": 2.0,
        "min_count": 1,
        "epsilon": None,
        "epsilon_per_day": None,
        "max_tracks_per_person": None,
        "epsilon_per_person_day": None,
        "ledger": [],
        "unit": "one track in one window",
    }
    for record in recorder.on("health"):
        HealthMessage.model_validate_json(record.payload)
    first, last = recorder.on("health")[0].json, recorder.on("health")[-1].json
    assert first["fps"] is None, "no window has closed yet"
    # The camera may be two pictures ahead of the pipeline: the last window may have begun with those.
    assert last["fps"] == pytest.approx(12.0, abs=3.0)
    assert 0.0 < last["latency_ms"]["p50"] < 3.0 * 1000.0 / 12.0
    assert last["tier"] == birth["models"]["detector"]["id"]


def test_a_day_cut_short_by_the_end_is_told_as_the_part_it_is(
    broker: Broker, clip: Path, tmp_path: Path
) -> None:
    """With noise so weak that it hardly shows, and with a bound on a person's tracks that visitors keep."""
    noise = "epsilon = 10.0\nday_total = true\nmax_tracks_per_person = 8\n\n[mqtt]"
    config = write_config(tmp_path, replay(clip, realtime=False), broker.port)
    config.write_text(config.read_text().replace("[mqtt]", noise))
    with Recorder(broker) as recorder, AgentProcess(config, program="tests.support.film_agent") as agent:
        recorder.wait_for(lambda _: recorder.on("health"))
        (tmp_path / "begin").touch()
        assert agent.wait() == 0, agent.log
        recorder.wait_for(lambda records: records and records[-1].payload == b"offline")
    check_contract(recorder.records)
    windows = [record.json for record in recorder.on("counts")]
    (day,) = (record.json for record in recorder.on("day"))
    assert (day["first_seq"], day["windows"]) == (0, len(windows)) == (0, 5)
    assert (day["day_start"], day["day_end"]) == (windows[0]["window_start"], windows[-1]["window_end"])
    assert not day["suppressed"]
    assert sum(window["people"] for window in windows) >= 1
    assert day["people"] == pytest.approx(sum(window["people"] for window in windows), abs=4)
    policy = recorder.on("birth")[-1].json["policy"]
    assert policy["ledger"] == [
        {"release": "counts", "epsilon": 7.0, "sensitivity": 1},
        {"release": "day", "epsilon": 3.0, "sensitivity": 1},
    ]
    assert policy["max_tracks_per_person"] == 8
    assert policy["epsilon_per_person_day"] == 8 * policy["epsilon_per_day"] == 8 * 10.0 * 43_200


def test_who_is_in_view_for_less_than_their_part_of_a_window_is_not_counted(
    broker: Broker, clip: Path, tmp_path: Path
) -> None:
    """One track of a person in each window: it would have to be there from the first instant to the last."""
    config = write_config(tmp_path, replay(clip, realtime=False), broker.port)
    config.write_text(config.read_text().replace("[mqtt]", "max_tracks_per_person = 1\n\n[mqtt]"))
    with Recorder(broker) as recorder, AgentProcess(config, program="tests.support.film_agent") as agent:
        recorder.wait_for(lambda _: recorder.on("health"))
        (tmp_path / "begin").touch()
        assert agent.wait() == 0, agent.log
        recorder.wait_for(lambda records: records and records[-1].payload == b"offline")
    assert [record.json["people"] for record in recorder.on("counts")] == [0] * 5


def test_a_plain_subscriber_sees_the_retained_messages_after_the_run(
    broker: Broker, clip: Path, tmp_path: Path
) -> None:
    config = write_config(tmp_path, replay(clip, loop=True), broker.port)
    with Recorder(broker) as recorder, AgentProcess(config):
        recorder.wait_for(counts_seen(1))
        program = shutil.which("mosquitto_sub")
        if program is None:
            pytest.skip("mosquitto_sub is not installed (apt install mosquitto-clients)")
        command = [program, "-p", str(broker.port), "-t", "emotion-agent/#", "-v", "-C", "3", "-W", "60"]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    topics = {line.split(" ", 1)[0].rsplit("/", 1)[1]: line.split(" ", 1)[1] for line in shown.splitlines()}
    assert topics["availability"] == "online"
    assert json.loads(topics["birth"])["schema"] == "emotion-agent/birth/1"
    assert json.loads(topics["health"])["schema"] == "emotion-agent/health/1"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_publishes_the_last_window_then_offline_and_exits_0(
    broker: Broker, clip: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """The signal comes while frames are being inferred; nothing already counted is lost."""
    config = write_config(tmp_path, replay(clip, loop=True), broker.port, window_s=3600.0)
    with Recorder(broker) as recorder, AgentProcess(config) as agent:
        # The pipeline tells its health between two frames: it has then looked at the clip's first visitor.
        recorder.wait_for(lambda _: delivering(recorder) >= HEALTHS_OF_A_VISIT)
        agent.signal(number)
        assert agent.wait() == 0, agent.log
        recorder.wait_for(lambda records: records[-1].payload == b"offline")
    (last,) = recorder.on("counts")
    assert last.json["people"] >= 1


def test_a_stop_signal_that_the_kernel_hands_to_another_thread_stops_the_agent_too(
    broker: Broker, clip: Path, tmp_path: Path
) -> None:
    config = write_config(tmp_path, replay(clip, fps=20, loop=True), broker.port)
    with Recorder(broker) as recorder, AgentProcess(config) as agent:
        recorder.wait_for(counts_seen(1))
        main_thread = agent.process.pid
        threads = [int(task.name) for task in Path(f"/proc/{main_thread}/task").iterdir()]
        kernel = ctypes.CDLL(None)
        # One of them may have ended meanwhile.
        others = (thread for thread in threads if thread != main_thread)
        assert any(kernel.tgkill(main_thread, other, signal.SIGTERM) == 0 for other in others)
        assert agent.wait() == 0, agent.log
        recorder.wait_for(lambda _: availability(recorder)[-1:] == [b"offline"])


INTERRUPTED = """
import signal, sys, threading
from pathlib import Path
from agent.commands.run import stop_on_signals
from agent.daemon import Daemon
from agent.settings import load_settings
class Interrupted(threading.Event):
    def wait(self, timeout=None):
        if threading.current_thread() is threading.main_thread():
            with self._cond:
                signal.raise_signal(signal.SIGTERM)
        return super().wait(timeout)
daemon = Daemon(load_settings(Path(sys.argv[1])))
stop_on_signals(daemon)
daemon._stop.__class__ = Interrupted
daemon.run()
"""
"""Python runs the handler between any two steps of the main thread, those with a lock in hand included."""


@pytest.mark.slow
def test_a_stop_signal_stops_the_agent_whatever_lock_its_main_thread_holds(
    clip: Path, tmp_path: Path
) -> None:
    config = write_config(tmp_path, replay(clip, loop=True), free_port())
    command = [sys.executable, "-c", INTERRUPTED, str(config)]
    subprocess.run(command, check=True, env=os.environ | PINNED, timeout=DEADLINE_S)


def test_a_killed_agent_is_declared_offline_by_the_broker(broker: Broker, clip: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path, replay(clip, loop=True), broker.port)
    with Recorder(broker) as recorder, AgentProcess(config) as agent:
        recorder.wait_for(counts_seen(1))
        agent.signal(signal.SIGKILL)
        recorder.wait_for(lambda records: records[-1].payload == b"offline")


@pytest.mark.broker
def test_windows_counted_before_the_broker_exists_arrive_when_it_does(clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "broker"
    folder.mkdir()
    broker = Broker(folder)
    way = LossyProxy(broker.port, listening=False)
    config = write_config(tmp_path, replay(clip, loop=True), way.port, window_s=1.0)
    with way, AgentProcess(config) as agent:
        agent.wait_for_log("connecting again in")
        agent.wait_for_log("delivers")
        with broker, Recorder(broker) as recorder:
            way.listen()  # only now, so that the recorder misses nothing
            recorder.wait_for(counts_seen(3))
            agent.signal(signal.SIGTERM)
            assert agent.wait() == 0, agent.log
            recorder.wait_for(lambda records: records[-1].payload == b"offline")
            sequence = [record.json["seq"] for record in recorder.on("counts")]
    assert sequence == list(range(len(sequence)))


def test_windows_close_on_time_with_a_silent_camera(broker: Broker, tmp_path: Path) -> None:
    source = 'type = "opencv"\ndevice = "/dev/video-that-is-not-there"'
    config = write_config(tmp_path, source, broker.port, window_s=1.0)
    with Recorder(broker) as recorder, AgentProcess(config) as agent:
        recorder.wait_for(counts_seen(3))
        recorder.wait_for(lambda _: any(r.json["state"] == "no_camera" for r in recorder.on("health")))
        agent.signal(signal.SIGTERM)
        assert agent.wait() == 0, agent.log
    assert {record.json["coverage"] for record in recorder.on("counts")} == {0.0}
    assert {record.json["people"] for record in recorder.on("counts")} == {0}


def failure(config: Path, command: str = "run") -> tuple[int, str]:
    with AgentProcess(config, command) as agent:
        return agent.wait(), agent.log


@pytest.mark.slow
def test_a_wrong_configuration_exits_2_and_names_every_key(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[deployment]\nsite = "x"\n[sources.a]\ntype = "opencv"\ndevic = 0\n')
    status, log = failure(config)
    assert status == 2
    assert "deployment.device is missing" in log
    assert "did you mean 'device'" in log
    assert "Traceback" not in log


@pytest.mark.slow
def test_a_prohibited_context_exits_2_with_the_reason(clip: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path, replay(clip), 1)
    config.write_text(config.read_text().replace('"research"', '"education"'))
    status, log = failure(config, "check")
    assert (status, "Art. 5(1)(f)" in log) == (2, True)


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["truncate", "swap", "remove"])
def test_a_damaged_model_file_exits_3_before_the_camera_opens(
    clip: Path, tmp_path: Path, damage: str
) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(default_bundle_folder(), bundle)
    networks = sorted(bundle.rglob("*.onnx"))
    for path in networks:
        if damage == "truncate":
            path.write_bytes(path.read_bytes()[:1000])
        elif damage == "swap":
            path.write_bytes(networks[0].read_bytes() + b"\0")
        else:
            path.unlink()
    config = write_config(tmp_path, replay(clip), 1, extra=f'[models]\nbundle = "{bundle}"')
    status, log = failure(config)
    assert status == 3
    assert ".onnx" in log
    assert "install the bundle again" in log
    assert "delivers" not in log
    assert "Traceback" not in log


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["not a video", "no frames", "empty folder"])
def test_an_unusable_clip_ends_the_run_with_one_sentence(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "input.avi"
    if kind == "not a video":
        path.write_text("this is no video")
    elif kind == "no frames":
        cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (64, 48)).release()
        path.touch()
    else:
        path.mkdir()
    status, log = failure(write_config(tmp_path, replay(path), free_port()))
    assert status != 0
    assert any(str(path) in line for line in log.splitlines() if line.startswith("error:")), log
    assert "Traceback" not in log


def test_a_folder_with_a_broken_picture_is_counted_through(broker: Broker, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(12):
        cv2.imwrite(str(folder / f"{number:02}.jpg"), np.full((240, 320, 3), 90, np.uint8))
    (folder / "05.jpg").write_bytes(b"\xff\xd8\xff broken")
    # Without a rest, in which a picture is passed over undecoded.
    source = replay(folder, fps=10, idle_interval_ms=0)
    config = write_config(tmp_path, source, broker.port, window_s=1.0)
    with Recorder(broker) as recorder, AgentProcess(config) as agent:
        assert agent.wait() == 0, agent.log
        recorder.wait_for(counts_seen(1))
    assert agent.log.count("05.jpg") == 1


@pytest.mark.slow
def test_check_opens_neither_camera_nor_connection(tmp_path: Path) -> None:
    config = write_config(tmp_path, 'type = "opencv"\ndevice = "/dev/nothing"', 1)
    status, log = failure(config, "check")
    assert status == 0, log
    assert "digest verified" in log


def payload_keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {key for child in value.values() for key in payload_keys(child)}
    return set()


def test_no_payload_has_a_key_that_the_contract_does_not_name(
    broker: Broker, clip: Path, tmp_path: Path
) -> None:
    """Nothing per person can slip in: the keys of everything sent are listed here, once."""
    config = write_config(tmp_path, replay(clip), broker.port)
    with Recorder(broker) as recorder, AgentProcess(config) as agent:
        assert agent.wait() == 0, agent.log
        recorder.wait_for(lambda records: records and records[-1].payload == b"offline")
    keys = {
        kind: {key for record in recorder.on(kind) for key in payload_keys(record.json)}
        for kind in ("counts", "birth", "health")
    }
    # fmt: off
    assert keys["counts"] == {
        "schema", "session_id", "seq", "window_start", "window_end", "clock_synced", "historical",
        "suppressed", "people", "counts", "coverage", "neutral", "happiness", "surprise", "sadness",
        "anger", "disgust", "fear", "contempt", "unknown",
    }
    assert keys["birth"] == {
        "schema", "session_id", "agent", "models", "detector", "classifier", "id", "sha256", "precision",
        "signed_by", "backend", "policy", "window_s", "min_count", "epsilon", "epsilon_per_day",
        "max_tracks_per_person", "epsilon_per_person_day", "ledger", "unit", "sources", "expressions",
        "lines", "measured_count",
    }
    assert keys["health"] == {
        "schema", "state", "uptime_s", "rss_mb", "cpu_temp_c", "throttled", "fps", "latency_ms", "p50",
        "p95", "p99", "budget_ms", "frames_dropped", "tier", "camera", "cameras", "door", "reconnects",
        "stalls_1h", "picture", "reason", "queue", "depth", "dropped", "damaged", "clock_synced",
    }
    # fmt: on
