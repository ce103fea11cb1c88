"""The whole command on a terminal: keys, real networks, a real camera, a service to pause, real signals."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from datetime import date
from typing import TYPE_CHECKING

import pytest

from agent.commands.tally.writing import write_measured
from agent.settings import MeasuredCount, load_settings
from tests.support.agent_process import AgentProcess, replay, write_config
from tests.support.mjpeg_server import MjpegServer, StreamPlan
from tests.support.mosquitto_fixtures import Recorder
from tests.support.stand_in_systemd import StandInSystemd
from tests.support.terminal import OnTerminal
from tests.support.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.mosquitto_fixtures import Broker

NO_BROKER = 9
"""Nobody listens there, and nobody has to."""


@pytest.fixture
def systemd(tmp_path: Path) -> StandInSystemd:
    """With the service running."""
    return StandInSystemd(tmp_path / "bin")


@pytest.fixture
def camera() -> Iterator[MjpegServer]:
    """Shows numbers for ever, and now and then what a network takes for a face."""
    with MjpegServer(StreamPlan()) as server:
        yield server


def camera_config(folder: Path, url: str, more: str = "") -> Path:
    return write_config(folder, f'type = "opencv"\ndevice = "{url}"\n{more}', NO_BROKER)


def tally(config: Path, systemd: StandInSystemd, *options: str, program: str = "agent") -> OnTerminal:
    env = {"PATH": systemd.path}
    return OnTerminal("tally", *options, "--config", str(config), program=program, env=env)


def restored(terminal: OnTerminal, systemd: StandInSystemd) -> bool:
    return terminal.modes == terminal.before and systemd.state == "active"


def counts_beyond(number: int, terminal: OnTerminal) -> bool:
    """Press once more, and look; a terminal that sees Ctrl-Z throws away what waits to be read."""
    terminal.press(" ")
    return max(map(int, re.findall(r"by hand (\d+)", terminal.screen))) > number


@pytest.mark.slow
def test_both_counts_are_compared_told_and_written(
    clip: Path, tmp_path: Path, systemd: StandInSystemd
) -> None:
    """On the film's own time: two people come, and are counted by hand as well; one key is taken back."""
    config = write_config(tmp_path, replay(clip, realtime=False), NO_BROKER, extra="# the end\n")
    (tmp_path / "hold").touch()
    (tmp_path / "begin").touch()
    before = config.read_text()
    with tally(config, systemd, program="tests.support.film_agent") as terminal:
        terminal.shows("by hand 0\x1b[K")
        assert systemd.state == "inactive"
        for number, key in enumerate((" ", "x", "\x1b[A"), start=1):
            terminal.press(key)
            terminal.shows(f"by hand {number}")
        terminal.press("\x7f")
        assert "counted by the agent" not in terminal.screen
        (tmp_path / "hold").unlink()
        terminal.shows("y or n")
        assert systemd.state == "inactive"
        terminal.press(" y")
        assert terminal.wait() == 0
        assert restored(terminal, systemd)
    told = terminal.screen
    assert "nothing is stored, nothing is published" in told
    assert "counted by hand       2" in told
    assert "counted by the agent  2" in told
    assert "ratio                 1.00" in told
    assert config.read_text().startswith(before)
    measured = load_settings(config).sources["door"].measured
    assert measured is not None
    assert measured.count_ratio == 1.0
    assert measured.count_ratio_low < 1.0 < measured.count_ratio_high
    assert list((tmp_path / "state").iterdir()) == []


def test_what_was_written_is_told_in_birth(broker: Broker, clip: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path, replay(clip, loop=True), broker.port)
    found = MeasuredCount(
        count_ratio=0.84, count_ratio_low=0.7, count_ratio_high=1.01, counted_on=date(2026, 11, 26)
    )
    write_measured(config, "door", found)
    with Recorder(broker) as recorder, AgentProcess(config) as agent:
        recorder.wait_for(lambda _: recorder.on("birth"))
        agent.signal(signal.SIGTERM)
        assert agent.wait() == 0, agent.log
    told = recorder.on("birth")[0].json["measured_count"]
    assert told == {"door": found.model_dump(mode="json")}


@pytest.mark.camera
def test_q_ends_it_and_no_one_by_hand_is_nothing_to_compare(
    camera: MjpegServer, tmp_path: Path, systemd: StandInSystemd
) -> None:
    config = camera_config(tmp_path, camera.url)
    before = config.read_text()
    with tally(config, systemd, "--write") as terminal:
        terminal.shows("by hand 0\x1b[K")
        terminal.press("q")
        assert terminal.wait() == 0
        assert restored(terminal, systemd)
    assert "there is nothing to compare" in terminal.screen
    assert config.read_text() == before


@pytest.mark.camera
def test_the_time_given_ends_it(camera: MjpegServer, tmp_path: Path, systemd: StandInSystemd) -> None:
    config = camera_config(tmp_path, camera.url)
    with tally(config, systemd, "--no-write", "--minutes", "0.05") as terminal:
        assert terminal.wait() == 0
        assert restored(terminal, systemd)
    assert "of 0:03   by hand 0" in terminal.screen
    assert "counted by hand       0" in terminal.screen
    assert "counted by the agent" in terminal.screen


@pytest.mark.camera
@pytest.mark.parametrize("ended_by", ["\x03", "\x1c", signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_gives_it_up_in_order(
    camera: MjpegServer, tmp_path: Path, systemd: StandInSystemd, ended_by: str | signal.Signals
) -> None:
    config = camera_config(tmp_path, camera.url)
    with tally(config, systemd, "--write") as terminal:
        terminal.shows("by hand 0\x1b[K")
        terminal.press("   ")
        terminal.shows("by hand 3")
        terminal.press("\x1a")  # Ctrl-Z: nobody is left with a service that stays paused
        wait_until(lambda: counts_beyond(3, terminal), "it to go on")
        if isinstance(ended_by, signal.Signals):
            terminal.process.send_signal(ended_by)
            number = int(ended_by)
        else:
            terminal.press(ended_by)
            number = {"\x03": signal.SIGINT, "\x1c": signal.SIGQUIT}[ended_by]
        assert terminal.wait() == 128 + number
        assert restored(terminal, systemd)
    assert "Given up: nothing was compared." in terminal.screen
    assert "measured" not in config.read_text()
    assert "Traceback" not in terminal.screen


@pytest.mark.camera
def test_a_lost_connection_leaves_the_service_running(
    camera: MjpegServer, tmp_path: Path, systemd: StandInSystemd
) -> None:
    with tally(camera_config(tmp_path, camera.url), systemd) as terminal:
        terminal.shows("by hand 0\x1b[K")
        terminal.hang_up()
        assert terminal.process.wait(2.0 * DEADLINE_S) != 0
        assert systemd.state == "active"


@pytest.mark.slow
def test_what_a_handful_of_people_could_give_away_is_not_written(
    clip: Path, tmp_path: Path, systemd: StandInSystemd
) -> None:
    config = write_config(tmp_path, replay(clip, realtime=False), NO_BROKER, window_s=60.0)
    config.write_text(config.read_text().replace("min_count = 1\n", "min_count = 3\n"))
    (tmp_path / "hold").touch()
    (tmp_path / "begin").touch()
    with tally(config, systemd, "--write", program="tests.support.film_agent") as terminal:
        terminal.shows("by hand 0\x1b[K")
        terminal.press("  ")
        terminal.shows("by hand 2")
        (tmp_path / "hold").unlink()
        assert terminal.wait() == 0
    assert "Nothing to write: fewer people than 3 (privacy.min_count)" in terminal.screen
    assert "measured" not in config.read_text()


@pytest.mark.camera
@pytest.mark.parametrize(("stall_s", "patience_s"), [(2, 3), (20, 30)], ids=["at once", "amid"])
def test_a_dead_camera_ends_it_with_a_sentence(
    tmp_path: Path, systemd: StandInSystemd, stall_s: int, patience_s: int
) -> None:
    plan = StreamPlan(frames=None if patience_s > 3 else 0)
    with MjpegServer(plan) as server:
        config = camera_config(tmp_path, server.url, f"stall_timeout_s = {stall_s}")
        with tally(config, systemd, "--write") as terminal:
            if plan.frames is None:
                terminal.shows("by hand 0\x1b[K")
            server.stop.set()  # from now on each client gets an empty stream
            assert terminal.wait() == 1
            assert restored(terminal, systemd)
    assert f"error: sources.door: no picture for {patience_s} s, so nothing was compared" in terminal.screen
    assert "Traceback" not in terminal.screen


@pytest.mark.slow
def test_a_recording_that_is_none_ends_it_with_a_sentence(tmp_path: Path, systemd: StandInSystemd) -> None:
    (tmp_path / "film.avi").write_text("no film")
    config = write_config(tmp_path, replay(tmp_path / "film.avi"), NO_BROKER)
    with tally(config, systemd) as terminal:
        assert terminal.wait() == 2
        assert restored(terminal, systemd)
    assert "film.avi is not a video that can be decoded" in terminal.screen


@pytest.mark.slow
def test_who_may_not_pause_the_service_is_told(tmp_path: Path, systemd: StandInSystemd, clip: Path) -> None:
    (systemd.folder / "no-stop").touch()
    with tally(write_config(tmp_path, replay(clip), NO_BROKER), systemd) as terminal:
        assert terminal.wait() == 1
        assert restored(terminal, systemd)
    assert "error: emotion-agent.service can't be paused: run this with sudo" in terminal.screen


@pytest.mark.slow
def test_a_network_that_is_missing_ends_it_with_the_service_running(
    tmp_path: Path, systemd: StandInSystemd, clip: Path
) -> None:
    config = write_config(tmp_path, replay(clip), NO_BROKER, extra='[models]\ndetector = "none_such"')
    with tally(config, systemd) as terminal:
        assert terminal.wait() == 3
        assert restored(terminal, systemd)


@pytest.mark.slow
def test_without_a_terminal_it_refuses_and_pauses_nothing(
    tmp_path: Path, systemd: StandInSystemd, clip: Path
) -> None:
    config = write_config(tmp_path, replay(clip), NO_BROKER)
    done = subprocess.run(
        [sys.executable, "-m", "agent", "tally", "--config", str(config)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=DEADLINE_S,
        env={**os.environ, "PATH": systemd.path},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "error: keys are counted, and stdin is no terminal: run it on one (ssh -t)\n"
    assert not (systemd.folder / "asked").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("option", "words"), [((), "choose one of door, gate"), (("x",), "--source 'x' is not")]
)
def test_one_of_several_sources_is_named(
    tmp_path: Path, clip: Path, option: tuple[str, ...], words: str
) -> None:
    config = write_config(tmp_path, replay(clip), NO_BROKER, extra=f"[sources.gate]\n{replay(clip)}")
    options = [argument for name in option for argument in ("--source", name)]
    done = subprocess.run(
        [sys.executable, "-m", "agent", "tally", "--config", str(config), *options],
        capture_output=True, text=True, check=False, timeout=DEADLINE_S,
    )  # fmt: skip
    assert done.returncode == 2
    assert words in done.stderr
