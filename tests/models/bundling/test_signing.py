"""Signing vouches for a bundle that is all right, with a key that stays where it is."""

from __future__ import annotations

import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import onnx
import pytest
import tomli_w
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from agent.errors import AgentError, ModelError
from agent.inference.bundle.trust import SIGNATURE, open_bundle, read_public_key
from agent.settings import ModelsSettings
from models.bundling.signing import is_shipped, make_key_pair, sign_bundle
from models.bundling.writer import write_networks
from tests.support.network_fixtures import SCENE, make_entry, make_file, write_onnx
from tests.support.signing_fixtures import THROW_AWAY
from tests.support.user_networks import Export, write_export

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """One network, unsigned."""
    pytest.importorskip("skimage", reason="a bundle's reference picture comes from scikit-image")
    source = write_onnx(tmp_path / "source.onnx", SCENE.shape, [("out", (1, 5, 84))])
    entry = make_entry(SCENE, files=(make_file("net.onnx", content=source.read_bytes()),))
    write_networks(tmp_path / "bundle", {"net": entry}, {"net.onnx": source.read_bytes()})
    return tmp_path / "bundle"


def ask_nobody() -> str:
    raise AssertionError("this key has no passphrase")


@pytest.mark.slow
def test_what_is_signed_with_a_new_pair_runs_where_its_public_half_is_trusted(
    bundle: Path, tmp_path: Path
) -> None:
    public = make_key_pair(tmp_path / "keys" / "site.key")
    signer = sign_bundle(bundle, tmp_path / "keys" / "site.key", ask_nobody)
    assert signer == read_public_key(public)
    assert open_bundle(ModelsSettings(bundle=bundle, trusted_keys=(public,))).signer == str(signer)
    assert not is_shipped(signer)


def test_signing_twice_gives_the_same_file(bundle: Path, tmp_path: Path) -> None:
    make_key_pair(tmp_path / "site.key")
    signatures = []
    for _ in range(2):
        sign_bundle(bundle, tmp_path / "site.key", ask_nobody)
        signatures.append((bundle / SIGNATURE).read_bytes())
    assert signatures[0] == signatures[1]


def test_a_private_key_is_readable_to_its_owner_only_and_never_overwritten(tmp_path: Path) -> None:
    make_key_pair(tmp_path / "site.key")
    before = (tmp_path / "site.key").read_bytes()
    assert stat.S_IMODE((tmp_path / "site.key").stat().st_mode) == 0o600
    for name in ("site.key", "site.other", "x.pem"):
        with pytest.raises(AgentError, match="is there already"):
            make_key_pair(tmp_path / name)
    assert (tmp_path / "site.key").read_bytes() == before


@pytest.mark.parametrize("name", ["net.onnx", "reference.npz"])
def test_a_bundle_with_an_altered_file_gets_no_signature(bundle: Path, tmp_path: Path, name: str) -> None:
    make_key_pair(tmp_path / "site.key")
    (bundle / name).write_bytes(b"another network")
    with pytest.raises(ModelError, match=name):
        sign_bundle(bundle, tmp_path / "site.key", ask_nobody)
    assert not (bundle / SIGNATURE).exists()


def test_a_network_that_wants_another_file_gets_no_signature(tmp_path: Path) -> None:
    """It could be exchanged without the signature noticing."""
    make_key_pair(tmp_path / "site.key")
    path = write_export(tmp_path / "net.onnx", Export("v8"))
    model = onnx.load(str(path))
    onnx.save_model(model, str(path), save_as_external_data=True, location="weights", size_threshold=0)
    entry = make_entry(SCENE, files=(make_file("net.onnx", content=path.read_bytes()),))
    manifest = {"schema_version": 1, "networks": {"net": entry.model_dump(mode="json", exclude_none=True)}}
    (tmp_path / "manifest.toml").write_text(tomli_w.dumps(manifest))
    with pytest.raises(ModelError, match="in another file, which no digest covers"):
        sign_bundle(tmp_path, tmp_path / "site.key", ask_nobody)
    assert not (tmp_path / SIGNATURE).exists()


def test_a_key_with_a_passphrase_asks_for_it(bundle: Path, tmp_path: Path) -> None:
    secret = THROW_AWAY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"horse"))
    (tmp_path / "locked.key").write_bytes(secret)
    sign_bundle(bundle, tmp_path / "locked.key", lambda: "horse")
    with pytest.raises(AgentError, match=r"locked\.key can't be read"):
        sign_bundle(bundle, tmp_path / "locked.key", lambda: "donkey")


def test_keys_of_other_kinds_are_refused(bundle: Path, tmp_path: Path) -> None:
    elliptic = generate_private_key(SECP256R1())
    (tmp_path / "ec.key").write_bytes(
        elliptic.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    (tmp_path / "text.key").write_text("hello")
    for name, said in (("ec.key", "no Ed25519 key"), ("text.key", "can't be read"), ("gone.key", "--key")):
        with pytest.raises(AgentError, match=said):
            sign_bundle(bundle, tmp_path / name, ask_nobody)


@pytest.mark.slow
def test_the_commands_make_a_pair_and_sign(bundle: Path, tmp_path: Path) -> None:
    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "quantize", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    key = str(tmp_path / "site.key")
    assert "site.pem" in run("keygen", key)
    said = run("sign", "--key", key, "--bundle", str(bundle))
    assert "is signed by key site (" in said
    assert "models.trusted_keys" in said
