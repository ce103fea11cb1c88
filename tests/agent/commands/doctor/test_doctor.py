"""Promises of ``emotion-agent doctor``: it explains, it tries what is configured, it writes nothing."""

from __future__ import annotations

import io
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from agent.commands.doctor.broker_check import check_broker
from agent.commands.doctor.cameras import find_cameras, judge_sources
from agent.commands.doctor.command import settings_if_usable
from agent.commands.doctor.examine import examine, run_doctor
from agent.commands.doctor.facts import read_facts
from agent.commands.doctor.formats import examine_formats
from agent.commands.doctor.table import print_report
from agent.inference.choice.choose import TrialOptions, make_choice
from agent.inference.choice.trial import Trial
from agent.inference.choice.verdicts import Row
from agent.settings import (
    AgentSettings,
    DeploymentSettings,
    ModelsSettings,
    MqttSettings,
    OpenCvSource,
    ReplaySource,
)
from tests.support.places import SYSTEMD
from tests.support.ports import free_port
from tests.support.signing_fixtures import signer_of
from tests.support.v4l2_stand_in import MJPG, UNREADABLE, YUYV, install, slow
from tests.support.waiting import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.inference.bundle.manifest import Bundle


def settings_for(bundle: Bundle, tmp_path: Path) -> AgentSettings:
    return AgentSettings(
        deployment=DeploymentSettings(site="s", device="d", context="demo"),
        sources={"door": ReplaySource(type="replay", path=tmp_path / "no-such-clip.avi")},
        models=ModelsSettings(
            bundle=bundle.folder, trusted_keys=(signer_of(bundle.folder),), backend="onnxruntime", threads=1
        ),
        mqtt=MqttSettings(host="127.0.0.1", port=free_port()),
    )


@pytest.fixture(name="listener")
def listener_fixture() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.mark.slow
def test_the_table_names_device_candidates_and_the_reason_each_lost(bundle: Bundle, tmp_path: Path) -> None:
    output = io.StringIO()
    status = run_doctor(settings_for(bundle, tmp_path), console=Console(file=output, width=200))
    text = output.getvalue()
    assert status == 0
    assert all(word in text for word in ("processor", "fast INT8", "temperature", "throttled", "broker"))
    assert "camera process  no_new_privs, rlimits" in text
    assert "chosen" in text
    assert "slower" in text
    assert all(precision in text for precision in ("fp32", "int8_u8s8", "int8_s8s8"))
    assert "The agent starts with" in text
    assert "no-such-clip.avi is not there" in text
    assert "valid, by bundle-signer" in text


@pytest.mark.slow
def test_a_remedy_with_brackets_reaches_the_reader_whole(bundle: Bundle, tmp_path: Path) -> None:
    """Pip's extras stand in brackets, which a table may take for markup."""
    remedy = "install it with pip install 'emotion-agent[openvino]'"
    report = examine(settings_for(bundle, tmp_path))
    assert report.choice is not None
    failed = Row(Trial("", "openvino", "cpu", "", "missing", detail=remedy), chosen=False, verdict=remedy)
    output = io.StringIO()
    shown = replace(report, choice=replace(report.choice, rows=(*report.choice.rows, failed)))
    print_report(shown, Console(file=output, width=200))
    assert remedy in output.getvalue()


@pytest.mark.slow
def test_json_holds_the_same_as_plain_values(bundle: Bundle, tmp_path: Path) -> None:
    output = io.StringIO()
    run_doctor(settings_for(bundle, tmp_path), as_json=True, console=Console(file=output, width=200))
    report = json.loads(output.getvalue())
    assert report["device"]["cores"] >= 1
    assert {row["outcome"] for row in report["candidates"]} == {"agrees"}
    assert sum(row["chosen"] for row in report["candidates"]) == 2
    assert report["choice"]["detectors"][0]["backend"] == "onnxruntime"
    assert not report["broker"]["reachable"]
    assert report["backends"]["onnxruntime"]
    assert report["signature"].startswith("valid, by bundle-signer")


@pytest.mark.slow
def test_what_the_daemon_kept_is_shown_and_nothing_is_written(bundle: Bundle, tmp_path: Path) -> None:
    settings = settings_for(bundle, tmp_path)
    fresh = examine(settings, state_dir=tmp_path / "state")
    assert fresh.choice is not None
    assert not fresh.choice.cached
    assert not (tmp_path / "state").exists()
    make_choice(bundle, settings.models, tmp_path / "state", 100.0, options=TrialOptions(0.01))
    kept = examine(settings, state_dir=tmp_path / "state")
    assert kept.choice is not None
    assert kept.choice.cached


def test_a_box_that_is_not_configured_yet_can_be_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As install.sh leaves it: the file is there and lacks site, device and context."""
    shipped = SYSTEMD / "config.toml"
    assert settings_if_usable(shipped) is None
    assert "going on without configuration" in capsys.readouterr().err
    assert settings_if_usable(tmp_path / "missing.toml") is None
    assert not capsys.readouterr().err


@pytest.mark.slow
def test_a_broken_bundle_is_a_finding_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "manifest.toml").write_text("schema_version = 7")
    settings = AgentSettings(
        deployment=DeploymentSettings(site="s", device="d", context="demo"),
        sources={"door": ReplaySource(type="replay", path=tmp_path)},
        models=ModelsSettings(bundle=tmp_path, allow_unsigned=True),
        mqtt=MqttSettings(host="127.0.0.1", port=free_port()),
    )
    output = io.StringIO()
    assert run_doctor(settings, console=Console(file=output, width=200)) == 3
    assert "The agent can't start" in output.getvalue()


def test_a_listening_broker_is_reachable(listener: socket.socket) -> None:
    facts = check_broker(MqttSettings(host="127.0.0.1", port=listener.getsockname()[1]))
    assert facts.reachable
    assert not facts.tls


def test_a_broker_that_does_not_speak_tls_is_said(listener: socket.socket) -> None:
    def answer_in_clear() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1024)
            connection.sendall(b"this is no TLS record at all")

    thread = threading.Thread(target=answer_in_clear, name="plain-broker")
    thread.start()
    facts = check_broker(MqttSettings(host="127.0.0.1", port=listener.getsockname()[1], tls=True))
    thread.join(DEADLINE_S)
    assert not thread.is_alive()
    assert not facts.reachable
    assert facts.tls


def test_a_silent_broker_is_given_up(listener: socket.socket) -> None:
    """The handshake never comes; the doctor doesn't wait for ever."""
    settings = MqttSettings(host="127.0.0.1", port=listener.getsockname()[1], tls=True)
    facts = check_broker(settings, timeout_s=0.2)
    assert not facts.reachable
    assert "no answer" in facts.detail


def test_a_refused_connection_says_what_to_do() -> None:
    facts = check_broker(MqttSettings(host="127.0.0.1", port=free_port()))
    assert "start the broker or correct mqtt.port" in facts.detail


def test_an_unreadable_authority_file_is_a_finding(listener: socket.socket, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    settings = MqttSettings(
        host="127.0.0.1", port=listener.getsockname()[1], tls=True, ca_file=tmp_path / "ca.pem"
    )
    assert not check_broker(settings, timeout_s=0.2).reachable
    assert issubclass(ssl.SSLError, OSError)  # what makes the line above hold


def test_boards_are_told_by_their_device_tree_and_instructions(tmp_path: Path) -> None:
    files = {
        "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
        "proc/cpuinfo": "processor\t: 0\nFeatures\t: fp asimd asimdhp asimddp\nCPU part\t: 0xd0b\n",
        "proc/meminfo": "MemTotal:        8245248 kB\n",
        "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
        "sys/class/thermal/thermal_zone0/temp": "61850\n",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    facts = read_facts(tmp_path)
    assert facts.model == "Raspberry Pi 5 Model B Rev 1.0"
    assert facts.eight_bit == ("dot-product",)
    assert facts.memory_mb == 8052
    assert facts.cpu_temp_c == pytest.approx(61.9, abs=0.1)
    assert facts.throttled is None


@pytest.mark.slow
def test_a_box_that_tells_nothing_is_no_error(tmp_path: Path) -> None:
    facts = read_facts(tmp_path)
    assert facts.eight_bit == ()
    assert facts.memory_mb is None
    assert facts.cores == len(os.sched_getaffinity(0))


def test_cameras_are_listed_with_their_stable_names(tmp_path: Path) -> None:
    (tmp_path / "dev" / "v4l" / "by-id").mkdir(parents=True)
    for number in (0, 2, 10):
        (tmp_path / "dev" / f"video{number}").touch()
    (tmp_path / "dev" / "v4l" / "by-id" / "usb-Cam-index0").symlink_to(tmp_path / "dev" / "video2")
    name = tmp_path / "sys" / "class" / "video4linux" / "video2" / "name"
    name.parent.mkdir(parents=True)
    name.write_text("HD Webcam\n")
    cameras = find_cameras(tmp_path)
    assert [camera.path.rsplit("/", 1)[1] for camera in cameras] == ["video0", "video2", "video10"]
    assert cameras[1].name == "HD Webcam"
    assert cameras[1].stable_path is not None
    assert cameras[0].stable_path is None


@pytest.mark.slow
def test_each_format_of_a_configured_camera_is_measured_and_explained(tmp_path: Path) -> None:
    """In a process into which a stand-in for the kernel's driver is preloaded."""
    program = (
        "import json, sys\n"
        "from rich.console import Console\n"
        "from agent.commands.doctor.formats import examine_formats\n"
        "from agent.commands.doctor.table import print_formats\n"
        "from agent.settings import OpenCvSource\n"
        "source = OpenCvSource(type='opencv', device=sys.argv[1], fourcc='YUYV')\n"
        "(found,) = examine_formats({'door': source})\n"
        "print_formats(found, Console(width=200, file=sys.stderr))\n"
        "print(json.dumps(found.as_json()))\n"
    )
    environment = {**os.environ, **install(tmp_path, slow(YUYV, 4.0), MJPG, UNREADABLE)}
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "video0")],
        env=environment, check=True, capture_output=True, text=True, timeout=60.0,
    )  # fmt: skip
    report = json.loads(done.stdout)
    assert report["conclusion"] == ('The agent takes YUYV, as fourcc says; fourcc = "auto" would take MJPG.')
    assert [row["fourcc"] for row in report["formats"]] == ["YUYV", "MJPG", "H264"]
    assert [row["chosen"] for row in report["formats"]] == [False, True, False]
    assert report["formats"][1]["load"] > 0.0
    for words in ("Formats of source door for 640x480 at 15 fps", "CPU ms/frame", "of 15 frames a second"):
        assert words in done.stderr


def test_a_camera_that_is_no_video_device_is_looked_into_without_harm(tmp_path: Path) -> None:
    (tmp_path / "video0").touch()
    source = OpenCvSource(type="opencv", device=str(tmp_path / "video0"))
    (found,) = examine_formats({"door": source})
    assert found.conclusion == "The camera doesn't tell its formats: the driver chooses."
    assert examine_formats({"yard": OpenCvSource(type="opencv", device="rtsp://camera/1")}) == ()


def test_a_configured_camera_that_is_unplugged_is_said() -> None:
    (found,) = judge_sources({"door": OpenCvSource(type="opencv", device=97)})
    assert not found.ok
    assert "/dev/video97 is not there" in found.detail
    (stream,) = judge_sources({"door": OpenCvSource(type="opencv", device="rtsp://camera/1")})
    assert stream.ok
