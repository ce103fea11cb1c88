"""A file on the card is taken from whom the image trusts, and lowers nothing that protects people."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.commands.provision import provision
from agent.errors import ConfigError
from tests.support.hostile_settings import BASE
from tests.support.signing_fixtures import THROW_AWAY, write_public_key

if TYPE_CHECKING:
    from pathlib import Path

REMOTE = BASE.replace("127.0.0.1", "broker.example")


def taken(
    folder: Path,
    text: str,
    *,
    image: str | None = None,
    key: Path | None = None,
    signature: bytes | None = None,
) -> str:
    """Why a file is refused; empty where it is taken."""
    given, limits, into = folder / "emotion-agent.toml", folder / "image.toml", folder / "into"
    into.mkdir(exist_ok=True)
    given.write_text(text, encoding="utf-8")
    if signature is not None:
        (folder / "emotion-agent.toml.sig").write_bytes(base64.encodebytes(signature))
    if image is not None:
        limits.write_text(image)
    try:
        provision(given, into=into, limits=limits if image is not None else None, key=key)
    except ConfigError as error:
        return str(error)
    return ""


def test_the_configuration_and_the_password_go_apart(tmp_path: Path) -> None:
    assert taken(tmp_path, f'\ufeff{BASE}\n[provision]\nmqtt_password = "secret"\n') == ""
    assert (tmp_path / "into/config.toml").read_text().strip() == BASE.strip()
    assert (tmp_path / "into/mqtt-password").read_text() == "secret"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("site = ", "can't be taken into use"),
        ("x = " + "[" * 3_000, "can't be taken into use"),
        ('[provision]\nmqtt_password = "x"\n[mqtt]\nhost = "a"\n', "must be the last table"),
        ("provision = 5\n", "must be the last table"),
        ('[provision]\nmqtt_pasword = "x"\n', "unknown key provision.mqtt_pasword"),
        ("[provision]\nmqtt_password = 5\n", "one line of text"),
        ('[provision]\nmqtt_password = "a\\nb"\n', "one line of text"),
        ("#" * 2_000_000, "larger than"),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path: Path, text: str, said: str) -> None:
    assert said in taken(tmp_path, text)


@pytest.mark.parametrize(
    ("image", "given", "lowered"),
    [
        ("", "[privacy]\nmin_count = 4", "privacy.min_count = 4 is lower"),
        ("", "[privacy]\nwindow_s = 60.0", "privacy.window_s = 60.0 is lower"),
        ("[privacy]\nmin_count = 20", "", "privacy.min_count = 5 is lower"),
        ("[privacy]\nepsilon = 1.0", "", "privacy.epsilon = none is less noise"),
        ("[privacy]\nepsilon = 1.0", "[privacy]\nepsilon = 1.1", "privacy.epsilon = 1.1 is less noise"),
        (
            "[privacy]\nmax_tracks_per_person = 60",
            "[privacy]\nmax_tracks_per_person = 61",
            "privacy.max_tracks_per_person = 61 is higher",
        ),
        ("[privacy]\nmax_tracks_per_person = 60", "", "privacy.max_tracks_per_person = none is higher"),
        ("", "[privacy]\npublish_sums = true", "publish_sums = true is less safe"),
        (
            "",
            "[privacy]\nacknowledge_individual_counts = true",
            "acknowledge_individual_counts = true is less safe",
        ),
        ("[models]\nclassifier = 'none'", "", "models.classifier = 'mobilenet_emotion' infers more"),
        ("", "[models]\nallow_unsigned = true", "allow_unsigned = true is less safe"),
        ("", "[models]\ntrusted_keys = ['/etc/hostname']", "models.trusted_keys trusts more signers"),
        ("[mqtt]\ntls = true", "", "mqtt without TLS is less safe"),
    ],
)
def test_nothing_that_protects_people_is_lowered(
    tmp_path: Path, image: str, given: str, lowered: str
) -> None:
    """What the image leaves out counts as its default, since that is how the device would run."""
    said = taken(tmp_path, f"{BASE}{given}", image=image)
    assert f"emotion-agent.toml: {lowered} than this image allows" in said


def test_plaintext_to_another_machine_is_for_the_image_to_allow(tmp_path: Path) -> None:
    clear = f"{REMOTE}tls = false\nallow_plaintext = true"
    assert "allow_plaintext = true is less safe" in taken(tmp_path, clear, image="[mqtt]\nhost = 'other'")
    assert "mqtt without TLS is less safe" in taken(tmp_path, clear, image="[mqtt]\nhost = 'other'")


@pytest.mark.parametrize(
    ("image", "given"),
    [
        ("", "[privacy]\nmin_count = 5\nwindow_s = 300.0\nepsilon = 2.0"),
        ("[privacy]\nwindow_s = 60.0", "[privacy]\nwindow_s = 60.0\nmin_count = 6"),
        ("[privacy]\nepsilon = 1.0", "[privacy]\nepsilon = 0.5"),
        ("[privacy]\nepsilon = 1.0", "[privacy]\nepsilon = 1.0\nday_total = true"),
        ("[privacy]\nmax_tracks_per_person = 60", "[privacy]\nmax_tracks_per_person = 12"),
        ("[privacy]\nmin_count = 1\nacknowledge_individual_counts = true", "[privacy]\nmin_count = 2"),
        ("[models]\nallow_unsigned = true", "[models]\nallow_unsigned = true"),
        (None, ""),
    ],
)
def test_what_protects_as_much_or_more_is_taken(tmp_path: Path, image: str | None, given: str) -> None:
    assert taken(tmp_path, f"{BASE}{given}", image=image) == ""


def test_an_image_whose_own_configuration_is_wrong_takes_nothing(tmp_path: Path) -> None:
    assert "the image's own configuration" in taken(tmp_path, BASE, image="[privacy]\nmin_count = 0")


@pytest.mark.slow
def test_where_the_image_has_a_key_only_its_signature_counts(tmp_path: Path) -> None:
    key = write_public_key(tmp_path / "provision.pem")
    assert "is not signed" in taken(tmp_path, BASE, key=key)
    stranger = Ed25519PrivateKey.generate().sign(BASE.encode())
    assert "is not what key provision" in taken(tmp_path, BASE, key=key, signature=stranger)
    own = THROW_AWAY.sign(BASE.encode())
    assert "is not what key provision" in taken(tmp_path, BASE + "#", key=key, signature=own)
    assert "is not what key provision" in taken(tmp_path, BASE, key=key, signature=b"short")
    assert taken(tmp_path, BASE, key=key, signature=own) == ""
