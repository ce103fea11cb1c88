"""The install script: idempotent, offline, side by side, and back to the old version by itself.

It installs stand-in wheels of a few lines, so that what is tested is the script and not the download of an
inference runtime; ``systemctl`` is a script that records what it is asked. Everything else is real: the
virtual environments, pip, the files.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.installed_box import Box, make_wheel
from tests.support.places import ROOT, SYSTEMD
from tests.support.stranger import Stranger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

KEPT: Final = "etc/emotion-agent/config.toml"


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path / "root")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Box:
    """Version 1.0.0 in use; shared by tests that must not change that."""
    box = Box(tmp_path_factory.mktemp("installed") / "root")
    make_wheel(box.wheels, "1.0.0")
    assert box.install().returncode == 0
    return box


@pytest.fixture
def later_wheels(installed: Box) -> Iterator[Path]:
    """A folder for newer wheels, offered to the installed box for one test."""
    offered = installed.wheels
    installed.wheels = offered.with_name("later")
    installed.wheels.mkdir()
    yield installed.wheels
    shutil.rmtree(installed.wheels)
    installed.wheels = offered


def test_an_install_leaves_a_unit_a_configuration_and_a_command(box: Box) -> None:
    make_wheel(box.wheels, "1.0.0")
    done = box.install("--camera", "rtsp")
    assert done.returncode == 0, done.stderr
    assert box.version() == "1.0.0"
    assert (box.root / KEPT).read_bytes() == (SYSTEMD / "config.toml").read_bytes()
    assert (box.root / KEPT).stat().st_mode & 0o777 == 0o640
    unit = box.root / "etc/systemd/system/emotion-agent.service"
    assert unit.read_bytes() == (SYSTEMD / "emotion-agent.service").read_bytes()
    camera = box.root / "etc/systemd/system/emotion-agent.service.d/20-camera.conf"
    assert camera.read_bytes() == (SYSTEMD / "drop-ins" / "rtsp.conf").read_bytes()
    assert (box.root / "usr/local/bin/emotion-agent").is_symlink()


def test_installing_twice_changes_nothing_and_keeps_the_configuration(box: Box) -> None:
    make_wheel(box.wheels, "1.0.0")
    box.install()
    (box.root / KEPT).write_text("# mine\n")
    before = box.files()
    stamp = (box.opt / "venv" / "bin" / "emotion-agent").stat().st_mtime_ns
    done = box.install()
    assert done.returncode == 0, done.stderr
    assert "already there" in done.stdout
    assert box.files() == before
    assert (box.opt / "venv" / "bin" / "emotion-agent").stat().st_mtime_ns == stamp
    assert (box.root / KEPT).read_text() == "# mine\n"


def test_an_upgrade_keeps_one_version_to_go_back_to(box: Box) -> None:
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        make_wheel(box.wheels, version)
        assert box.install().returncode == 0
    assert box.version() == "1.2.0"
    assert sorted(path.name.split("-")[0] for path in (box.opt / "releases").iterdir()) == ["1.1.0", "1.2.0"]
    assert box.run("rollback").returncode == 0
    assert box.version() == "1.1.0"


def test_a_version_that_refuses_the_configuration_is_not_taken_into_use(
    installed: Box, later_wheels: Path
) -> None:
    make_wheel(later_wheels, "2.0.0", "refuses")
    done = installed.install()
    assert done.returncode == 1
    assert "can't run here" in done.stderr
    assert installed.version() == "1.0.0"
    assert len(list((installed.opt / "releases").iterdir())) == 1


def test_a_broken_wheel_changes_nothing(installed: Box, later_wheels: Path) -> None:
    (later_wheels / "emotion_agent-1.5.0-py3-none-any.whl").write_bytes(b"not a zip file")
    done = installed.install()
    assert done.returncode == 1
    assert "nothing was changed" in done.stderr
    assert installed.version() == "1.0.0"


def test_a_wheel_that_differs_from_its_locked_hash_is_refused(box: Box) -> None:
    """The offline folder's requirements.txt holds the hashes; an exchanged wheel is not installed."""
    digest = hashlib.sha256(make_wheel(box.wheels, "1.0.0").read_bytes()).hexdigest()
    lock = box.wheels / "requirements.txt"
    lock.write_text(f"emotion-agent==1.0.0 --hash=sha256:{digest}\n")
    assert box.install().returncode == 0
    shutil.rmtree(box.root)
    make_wheel(box.wheels, "1.0.0", "refuses")
    done = box.install()
    assert done.returncode == 1
    assert not (box.opt / "venv").exists()


@pytest.mark.parametrize("arguments", [(), ("--purge",)])
def test_uninstalling_leaves_at_most_what_was_asked_to_be_kept(box: Box, arguments: tuple[str, ...]) -> None:
    make_wheel(box.wheels, "1.0.0")
    box.install("--camera", "usb")
    queue = box.root / "var/lib/private/emotion-agent/queue.sqlite"
    queue.parent.mkdir(parents=True)
    queue.write_text("")
    assert box.run("uninstall", *arguments).returncode == 0
    kept = set() if arguments else {KEPT, "var/lib/private/emotion-agent/queue.sqlite"}
    assert box.files() == kept
    assert box.run("uninstall", *arguments).returncode == 0


def test_a_purge_takes_empty_folders_along_and_leaves_those_in_use(box: Box) -> None:
    make_wheel(box.wheels, "1.0.0")
    box.install()
    store = box.root / "etc/credstore"
    store.mkdir()
    for name in ("emotion-agent.mqtt-password", "another"):
        (store / name).write_text("secret")
    assert box.run("uninstall", "--purge").returncode == 0
    assert box.files() == {"etc/credstore/another"}
    assert not (box.root / "etc/sysusers.d").exists()
    (store / "another").unlink()
    assert box.run("uninstall", "--purge").returncode == 0
    assert not store.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("install", "--wheels"), "needs a value"),
        (("install", "--wheels", "--no-start"), "--wheels needs a value"),
        (("install", "--wheels", "-delete"), "--wheels needs a value"),
        (("install", "--camera", "thermal"), "not usb, pi-csi, jetson or rtsp"),
        (("fly",), "unknown argument fly"),
        (("rollback",), "no previous version"),
        (("install", "--wheels", "/nonexistent"), "holds no emotion_agent wheel"),
    ],
)
def test_a_mistake_is_one_sentence(box: Box, arguments: tuple[str, ...], said: str) -> None:
    done = subprocess.run(
        [str(SYSTEMD / "install.sh"), "--root", str(box.root), *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert said in done.stderr.splitlines()[-1]
    assert not (box.opt / "venv").exists()


@pytest.mark.parametrize("umask", ["077", "000"])
def test_whatever_the_umask_the_service_can_read_what_is_installed_and_nobody_else_write_it(
    box: Box, umask: str
) -> None:
    """The checkout's files too may carry the modes of whoever cloned it."""
    make_wheel(box.wheels, "1.0.0")
    done = box.install("--camera", "rtsp", umask=int(umask, 8))
    assert done.returncode == 0, done.stderr
    assert (box.root / KEPT).stat().st_mode & 0o777 == 0o640
    assert (box.root / KEPT).parent.stat().st_mode & 0o777 == 0o750
    for path in [box.opt, *box.opt.rglob("*"), *(box.root / "etc/systemd").rglob("*"), box.root / "usr"]:
        if not path.is_symlink():
            mode = path.stat().st_mode
            assert mode & 0o044 == 0o044, path
            assert mode & 0o022 == 0, path
            assert mode & 0o011 == 0o011 or not path.is_dir(), path


@pytest.mark.parametrize("way", ["working directory", "PYTHONPATH"])
def test_no_code_of_a_stranger_runs_as_root(box: Box, tmp_path: Path, way: str) -> None:
    """In whatever folder the administrator stands, whatever the environment names."""
    stranger = Stranger(
        tmp_path / "stranger", "venv", "pip", "json", "tomllib", "agent", "ensurepip", "encodings"
    )
    there = way == "working directory"
    where = {
        "cwd": stranger.folder if there else None,
        "env": dict(os.environ) if there else {**os.environ, "PYTHONPATH": str(stranger.folder)},
    }
    make_wheel(box.wheels, "1.0.0")
    done = box.install(**where)
    assert done.returncode == 0, done.stderr
    assert box.run("allow-broker", **where).returncode == 0
    make_wheel(box.wheels, "1.1.0")
    assert box.install(**where).returncode == 0
    assert box.run("rollback", **where).returncode == 0
    assert stranger.ran == []


SHELL: Final = sorted(
    path
    for folder in (SYSTEMD, ROOT / "tests" / "system", ROOT / ".ci")
    for path in folder.rglob("*")
    if path.is_file() and path.read_bytes().startswith((b"#!/usr/bin/env bash", b"#!/bin/sh"))
)


@pytest.mark.parametrize("script", SHELL, ids=lambda path: path.name)
def test_a_python_that_a_script_starts_is_deaf_to_folder_and_environment(script: Path) -> None:
    """``-I`` stands first among its options, here documents and the package's own scripts included."""
    code = re.sub(r"(?m)^\s*#.*$", "", script.read_text())
    started = re.findall(r'"?\$(?:\{)?(?:python|PYTHON|candidate)\}?"?\s+(?=-)(\S+)', code)
    started += re.findall(r'(?:/bin/python3?|\bpython3?)"?\s+(?=-)(\S+)', code)
    started += re.findall(r'"\$1"\s+(-[A-Za-z]+)\s', code)
    assert set(started) <= {"-I"}
    assert "PYTHONPATH=" not in code


def test_the_search_for_pythons_finds_them() -> None:
    assert len([path for path in SHELL if "-I " in path.read_text()]) >= 4


def test_only_the_hosts_of_the_configuration_are_allowed(installed: Box) -> None:
    written = installed.root / "etc/systemd/system/emotion-agent.service.d/50-network.conf"

    def allowed_by(config: str, *arguments: str) -> str:
        (installed.root / KEPT).write_text(config)
        done = installed.run("allow-broker", *arguments)
        return written.read_text().splitlines()[-1] if done.returncode == 0 else done.stderr.strip()

    assert allowed_by('[mqtt]\nhost = "192.0.2.7"\n') == "IPAddressAllow=192.0.2.7 "
    for address in ("rtsp://192.0.2.9:554/s", "RTSPS://me:you@192.0.2.9/", "https://192.0.2.9/a?b=c", "http://192.0.2.9",
                    "rtspsrc location=rtsp://192.0.2.9/s ! decodebin ! appsink",
                    "souphttpsrc location='https://192.0.2.9:8443/x' ! appsink",
                    "tcpclientsrc host=192.0.2.9 port=9 ! appsink"):  # fmt: skip
        camera = f'[sources.a]\ndevice = "{address}"\n[sources.b]\ndevice = 0\n'
        assert (
            allowed_by('[mqtt]\nhost = "2001:db8::1"\n' + camera) == "IPAddressAllow=2001:db8::1 192.0.2.9 "
        )
    for host in ("--help", "a b", "a\\nb", "x\\\\"):
        assert "is no name or address of a host" in allowed_by(f'[mqtt]\nhost = "{host}"\n')
    unknown = '[mqtt]\nhost = "broker.invalid"\n'
    assert allowed_by(unknown) == "error: broker.invalid has no address yet; try again when the network is up"
    assert allowed_by(unknown, "--any-address") == "IPAddressAllow=any"


def test_the_package_is_made_of_the_wheels_and_names_the_python_it_is_for(tmp_path: Path) -> None:
    """Wheels with compiled code fit one minor version; the package depends on exactly that one."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not installed (apt: dpkg)")
    wheels = tmp_path / "wheels"
    make_wheel(wheels, "1.0.0")
    (wheels / "numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl").write_bytes(b"stand-in")
    (wheels / "requirements.txt").write_text("emotion-agent==1.0.0\n")
    command = [str(SYSTEMD / "packaging" / "make_deb.sh"), str(wheels), str(tmp_path), "--arch", "arm64"]
    subprocess.run(command, check=True, capture_output=True)
    package = str(tmp_path / "emotion-agent_1.0.0_arm64.deb")
    facts = subprocess.run(
        ["dpkg-deb", "--field", package], capture_output=True, text=True, check=True
    ).stdout
    assert "Depends: python3 (>= 3.11), python3 (<< 3.12), python3-venv" in facts
    content = subprocess.run(
        ["dpkg-deb", "--contents", package], capture_output=True, text=True, check=True
    ).stdout
    assert "./usr/share/emotion-agent/wheels/emotion_agent-1.0.0-py3-none-any.whl" in content
    assert "./usr/share/emotion-agent/systemd/install.sh" in content


@pytest.mark.skipif(
    shutil.which("shellcheck") is None, reason="shellcheck is not installed (apt: shellcheck)"
)
@pytest.mark.parametrize("script", SHELL, ids=lambda path: path.name)
def test_the_scripts_are_free_of_known_traps(script: Path) -> None:
    done = subprocess.run(["shellcheck", str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("script", SHELL, ids=lambda path: path.name)
def test_the_scripts_can_be_run_as_they_are(script: Path) -> None:
    assert os.access(script, os.X_OK)
