"""First boot: a file on the card is taken once, as the service would read it, and leaves no secret there."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.hostile_settings import BASE
from tests.support.installed_box import Box, make_wheel
from tests.support.signing_fixtures import write_public_key
from tests.support.stranger import Stranger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

TABLE: Final = '[provision]\nmqtt_password = "first-boot-secret"\n'
PROVISIONED: Final = f'{BASE}username = "box"\n{TABLE}'


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Box:
    """The agent as it is installed in an image."""
    box = Box(tmp_path_factory.mktemp("image") / "root")
    make_wheel(box.wheels, "1.0.0")
    assert box.install().returncode == 0
    box.take_in_the_real_agent()
    return box


@pytest.fixture
def box(image: Box) -> Iterator[Box]:
    """A device that has never been started."""
    config = (image.root / "etc/emotion-agent/config.toml").read_bytes()
    yield image
    for folder in ("boot", "etc/credstore", "etc/emotion-agent"):
        shutil.rmtree(image.root / folder, ignore_errors=True)
    (image.root / "etc/emotion-agent").mkdir()
    (image.root / "etc/emotion-agent/config.toml").write_bytes(config)


def reasons(box: Box) -> str:
    """Beside the refused file, in a file of its own."""
    assert (box.boot / "emotion-agent.toml").exists()
    file = box.boot / "emotion-agent.errors.txt"
    assert not file.is_symlink()
    return file.read_text()


def test_the_first_boot_takes_the_configuration_from_the_card_and_leaves_no_secret_there(box: Box) -> None:
    done = box.provision(PROVISIONED)
    assert done.returncode == 0, done.stderr
    config = box.root / "etc/emotion-agent/config.toml"
    assert config.read_text().strip() == PROVISIONED.partition("[provision]")[0].strip()
    assert config.stat().st_mode & 0o777 == 0o640
    secret = box.root / "etc/credstore/emotion-agent.mqtt-password"
    assert secret.read_text() == "first-boot-secret"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert list(box.boot.iterdir()) == []
    assert "first-boot-secret" not in done.stdout + done.stderr

    # Once: whoever puts a file there later does not own the device.
    again = box.provision(PROVISIONED.replace("lobby", "elsewhere"))
    assert again.returncode == 1
    assert "this device was provisioned on 2" in reasons(box)
    assert "lobby" in config.read_text()
    (box.root / "etc/emotion-agent/provisioned").unlink()
    assert box.provision(PROVISIONED.replace("lobby", "elsewhere")).returncode == 0
    assert "elsewhere" in config.read_text()


def test_a_password_without_a_user_is_refused_before_the_device_depends_on_it(box: Box) -> None:
    """Checked with the credentials that the service gets, whether they come with the file or were there."""
    before = (box.root / "etc/emotion-agent/config.toml").read_bytes()
    assert box.provision(BASE + TABLE).returncode == 1
    assert "set mqtt.username" in reasons(box)
    store = box.root / "etc/credstore"
    store.mkdir()
    (store / "emotion-agent.mqtt-password").write_text("older")
    assert box.provision(BASE).returncode == 1
    assert "set mqtt.username" in reasons(box)
    assert (box.root / "etc/emotion-agent/config.toml").read_bytes() == before
    assert not (box.root / "etc/emotion-agent/provisioned").exists()


def test_a_refused_file_stays_on_the_card_with_the_reason_beside_it(box: Box, tmp_path: Path) -> None:
    """Written to a new file, through no link that waits there under its name."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    box.boot.mkdir()
    (box.boot / "emotion-agent.errors.txt").symlink_to(victim)
    assert box.provision("site = ").returncode == 1
    assert "can't be taken into use" in reasons(box)
    assert victim.read_text() == "precious"
    assert box.provision(f"{BASE}[privacy]\nmin_count = 2\n").returncode == 1
    assert "privacy.min_count = 2 is lower than this image allows" in reasons(box)
    assert box.provision(f"{BASE}[latency]\nbudget_ms = 0\n").returncode == 1
    assert reasons(box).startswith("error: emotion-agent.toml: latency.budget_ms = 0 is not valid")


def test_an_image_with_a_key_takes_no_unsigned_file(box: Box) -> None:
    write_public_key(box.root / "etc/emotion-agent/provision.pem")
    assert box.provision(PROVISIONED).returncode == 1
    assert "is not signed" in reasons(box)


@pytest.mark.parametrize("way", ["working directory", "PYTHONPATH"])
def test_no_code_of_a_stranger_runs(box: Box, tmp_path: Path, way: str) -> None:
    stranger = Stranger(tmp_path / "stranger", "agent", "json", "re", "tomllib", "runpy")
    there = way == "working directory"
    done = box.provision(
        PROVISIONED,
        cwd=stranger.folder if there else None,
        env=dict(os.environ) if there else {**os.environ, "PYTHONPATH": str(stranger.folder)},
    )
    assert stranger.ran == []
    assert done.returncode == 0, done.stderr
