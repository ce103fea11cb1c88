"""The install script: idempotent, offline, side by side, and back to the old version by itself.

It installs stand-in wheels of a few lines, so that what is tested is the script and not the download of an
inference runtime; ``systemctl`` is a script that records what it is asked. Everything else is real: the
virtual environments, pip, the files.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.places import SYSTEMD

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

KEPT: Final = "etc/emotion-agent/config.toml"

PROGRAM: Final = """\
import sys

def main():
    if sys.argv[1] == "version":
        print("{version}")
    elif "{behaviour}" == "refuses":
        sys.exit("error: this version can't run here")
"""


def make_wheel(folder: Path, version: str, behaviour: str = "runs") -> Path:
    """A wheel of the agent's name whose command knows ``version`` and ``check``."""
    files = {
        "agent_stand_in.py": PROGRAM.format(version=version, behaviour=behaviour),
        f"emotion_agent-{version}.dist-info/METADATA": (
            f"Metadata-Version: 2.1\nName: emotion-agent\nVersion: {version}\n"
        ),
        f"emotion_agent-{version}.dist-info/WHEEL": (
            "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        ),
        f"emotion_agent-{version}.dist-info/entry_points.txt": (
            "[console_scripts]\nemotion-agent = agent_stand_in:main\n"
        ),
    }
    record = f"emotion_agent-{version}.dist-info/RECORD"
    lines = [f"{name},sha256={_urlsafe_digest(text)},{len(text.encode())}\n" for name, text in files.items()]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"emotion_agent-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in {**files, record: "".join(lines) + f"{record},,\n"}.items():
            wheel.writestr(zipfile.ZipInfo(name), text)
    return path


def _urlsafe_digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


class Box:
    """A root folder to install into."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.wheels = root.parent / "wheels"
        self.opt = root / "opt" / "emotion-agent"

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The script's outcome, whatever it is."""
        return subprocess.run(
            [str(SYSTEMD / "install.sh"), *arguments, "--root", str(self.root), "--python", sys.executable],
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip

    def install(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Install from the wheel folder."""
        return self.run("install", "--wheels", str(self.wheels), *arguments)

    def version(self) -> str:
        """What the service would run."""
        command = [str(self.opt / "venv" / "bin" / "emotion-agent"), "version"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def files(self) -> set[str]:
        """Everything that is no folder, relative to the root."""
        return {
            str(path.relative_to(self.root))
            for path in self.root.rglob("*")
            if path.is_symlink() or path.is_file()
        }


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


def test_only_the_hosts_of_the_configuration_are_allowed(installed: Box) -> None:
    written = installed.root / "etc/systemd/system/emotion-agent.service.d/50-network.conf"

    def allowed_by(config: str, *arguments: str) -> str:
        (installed.root / KEPT).write_text(config)
        done = installed.run("allow-broker", *arguments)
        return written.read_text().splitlines()[-1] if done.returncode == 0 else done.stderr.strip()

    assert allowed_by('[mqtt]\nhost = "192.0.2.7"\n') == "IPAddressAllow=192.0.2.7 "
    camera = '[sources.a]\ndevice = "rtsp://192.0.2.9:554/stream"\n'
    assert allowed_by('[mqtt]\nhost = "2001:db8::1"\n' + camera) == "IPAddressAllow=2001:db8::1 192.0.2.9 "
    unknown = '[mqtt]\nhost = "broker.invalid"\n'
    assert allowed_by(unknown) == "error: broker.invalid has no address yet; try again when the network is up"
    assert allowed_by(unknown, "--any-address") == "IPAddressAllow=any"


PROVISIONED: Final = """\
[deployment]
site = "museum"

[mqtt]
username = "box"

[provision]
mqtt_password = "first-boot-secret"
"""


def provision(box: Box, text: str) -> subprocess.CompletedProcess[str]:
    """Put a card with this file into the box and start it for the first time."""
    boot = box.root / "boot"
    boot.mkdir(exist_ok=True)
    (boot / "emotion-agent.toml").write_text(text)
    return subprocess.run(
        [str(SYSTEMD / "provision.sh"), "--root", str(box.root), "--boot", str(boot)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_first_boot_takes_the_configuration_from_the_card_and_leaves_no_secret_there(
    installed: Box,
) -> None:
    done = provision(installed, PROVISIONED)
    assert done.returncode == 0, done.stderr
    assert (installed.root / KEPT).read_text().strip() == PROVISIONED.partition("[provision]")[0].strip()
    assert (installed.root / KEPT).stat().st_mode & 0o777 == 0o640
    secret = installed.root / "etc/credstore/emotion-agent.mqtt-password"
    assert secret.read_text() == "first-boot-secret"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert list((installed.root / "boot").iterdir()) == []
    assert "first-boot-secret" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("site = ", "not valid TOML"),
        ('[provision]\nmqtt_password = "x"\n[mqtt]\nhost = "a"\n', "must be the last table"),
        ('[provision]\nmqtt_pasword = "x"\n', "unknown key provision.mqtt_pasword"),
        ("[provision]\nmqtt_password = 5\n", "one line of text"),
    ],
)
def test_a_refused_file_stays_on_the_card_with_the_reason_beside_it(
    installed: Box, text: str, said: str
) -> None:
    before = (installed.root / KEPT).read_bytes()
    done = provision(installed, text)
    assert done.returncode == 1
    boot = installed.root / "boot"
    assert (boot / "emotion-agent.toml").read_text() == text
    assert said in (boot / "emotion-agent.errors.txt").read_text()
    assert (installed.root / KEPT).read_bytes() == before
    (boot / "emotion-agent.errors.txt").unlink()


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
@pytest.mark.parametrize("script", sorted(path.name for path in SYSTEMD.glob("*.sh")))
def test_the_scripts_are_free_of_known_traps(script: str) -> None:
    done = subprocess.run(["shellcheck", str(SYSTEMD / script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("script", sorted(path.name for path in SYSTEMD.glob("*.sh")))
def test_the_scripts_can_be_run_as_they_are(script: str) -> None:
    assert os.access(SYSTEMD / script, os.X_OK)
