"""No network is loaded unless a trusted signer vouches for it; whatever is wrong, the agent stays off."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent.errors import ConfigError, ModelError
from agent.host import child
from agent.inference.bundle import trust
from agent.inference.bundle.manifest import read_manifest
from agent.inference.bundle.place import MANIFEST
from agent.inference.bundle.trust import SHIPPED_KEYS, SIGNATURE, open_bundle, read_public_key
from agent.settings import ModelsSettings
from agent.settings.reading import parse_settings
from tests.support.network_fixtures import SCENE, make_entry, make_file
from tests.support.places import ROOT
from tests.support.signing_fixtures import THROW_AWAY, sign, write_public_key, write_signature

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle of one network, unsigned."""
    entry = make_entry(SCENE, files=(make_file("net.onnx", content=b"weights"),))
    table = entry.model_dump(mode="json", exclude_none=True)
    tomli_w = pytest.importorskip("tomli_w", reason="tomli-w is not installed: pip install '.[quantize]'")
    made = tmp_path / "bundle"
    made.mkdir()
    (made / MANIFEST).write_text(tomli_w.dumps({"schema_version": 1, "networks": {"net": table}}))
    (made / "net.onnx").write_bytes(b"weights")
    return made


def opened(folder: Path, *keys: Path, **settings: Any) -> str:
    return open_bundle(ModelsSettings(bundle=folder, trusted_keys=keys, **settings)).signer


@pytest.mark.slow
def test_the_shipped_networks_are_signed_by_a_key_that_came_with_the_agent() -> None:
    """After a rebuild of the bundle: python -m quantize sign --key keys/….key."""
    settings = ModelsSettings(allow_unsigned=False)
    assert open_bundle(settings).signer.split()[0] in {path.stem for path in SHIPPED_KEYS.glob("*.pem")}


@pytest.mark.slow
def test_a_private_key_is_never_committed() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.split():
        path = ROOT / name
        if path.is_file() and path.suffix in {"", ".key", ".pem", ".toml", ".txt"}:
            assert b"-BEGIN PRIVATE KEY-" not in path.read_bytes(), name
    assert not [name for name in listed.split() if name.startswith("keys/")]


@pytest.mark.slow
def test_a_bundle_of_a_configured_signer_runs(folder: Path) -> None:
    key = sign(folder)
    bundle = open_bundle(ModelsSettings(bundle=folder, trusted_keys=(key,)))
    assert bundle.signer == f"bundle-signer ({bundle.signer_id})"
    assert list(bundle.manifest.networks) == ["net"]


def test_an_unsigned_bundle_runs_only_where_that_is_written_out(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"manifest\.toml is not signed.*allow_unsigned = true") as refusal:
        opened(folder)
    assert refusal.value.exit_code == 3
    assert opened(folder, allow_unsigned=True) == ""


def test_a_strangers_signature_is_refused_naming_both_keys_even_where_none_is_needed(folder: Path) -> None:
    sign(folder)
    for settings in ({}, {"allow_unsigned": True}):
        with pytest.raises(ModelError, match=r"key [0-9a-f]{16}, which is not trusted.*release-"):
            opened(folder, **settings)


def altered(folder: Path) -> None:
    with (folder / MANIFEST).open("a") as file:
        file.write("\n")


def of_another_manifest(folder: Path) -> None:
    content = read_manifest(folder)
    (folder / MANIFEST).write_bytes(content + b"\n")
    sign(folder)
    (folder / MANIFEST).write_bytes(content)


def key_id(key: Ed25519PrivateKey) -> str:
    return trust.key_id_of(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))


def by_another_key_under_a_trusted_name(folder: Path) -> None:
    other = Ed25519PrivateKey.generate()
    write_signature(folder, key_id(THROW_AWAY), other.sign(read_manifest(folder)))


def of_no_letters(folder: Path) -> None:
    (folder / SIGNATURE).write_text(f'key_id = "{key_id(THROW_AWAY)}"\nsignature = "\u00e9\u202e"\n')


def cut_short(folder: Path) -> None:
    write_signature(folder, key_id(THROW_AWAY), THROW_AWAY.sign(read_manifest(folder))[:-1])


def of_zeros(folder: Path) -> None:
    write_signature(folder, key_id(THROW_AWAY), bytes(64))


@pytest.mark.slow
@pytest.mark.parametrize(
    "spoil",
    [altered, of_another_manifest, by_another_key_under_a_trusted_name, cut_short, of_zeros, of_no_letters],
)
@pytest.mark.parametrize("allow_unsigned", [False, True])
def test_a_signature_that_does_not_fit_is_refused_whatever_is_allowed(
    folder: Path, spoil: Callable[[Path], None], *, allow_unsigned: bool
) -> None:
    key = sign(folder)
    spoil(folder)
    with pytest.raises(ModelError, match=r"manifest\.toml is not what key bundle-signer .* has signed"):
        opened(folder, key, allow_unsigned=allow_unsigned)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not toml [",
        b"\xff",
        b'key_id = "xyz"\nsignature = ""\n',
        b"key_id = " + b"9" * 5_000,
        b"key_id = " + b"[" * 3_000,
    ],
)
def test_a_damaged_signature_file_is_refused_whatever_is_allowed(folder: Path, content: bytes) -> None:
    key = sign(folder)
    (folder / SIGNATURE).write_bytes(content)
    with pytest.raises(ModelError, match=r"manifest\.toml\.sig is no signature file"):
        opened(folder, key, allow_unsigned=True)


def elliptic(path: Path) -> None:
    public = generate_private_key(SECP256R1()).public_key()
    path.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


@pytest.mark.parametrize(
    "write", [elliptic, lambda path: path.write_text("hello"), lambda path: path.write_bytes(b"\xff\xfe")]
)
def test_a_configured_key_of_another_kind_is_a_mistake_in_the_configuration(
    folder: Path, write: Callable[[Path], object]
) -> None:
    sign(folder)
    wrong = folder.parent / "wrong.pem"
    write(wrong)
    with pytest.raises(ConfigError, match=r"models\.trusted_keys: .*wrong\.pem"):
        opened(folder, wrong)


def test_a_configured_key_that_is_not_there_is_found_by_check(tmp_path: Path) -> None:
    tables = {
        "deployment": {"site": "s", "device": "d", "context": "demo"},
        "sources": {"a": {"type": "opencv", "device": 0}},
        "models": {"trusted_keys": [str(tmp_path / "gone.pem")]},
    }
    with pytest.raises(ConfigError, match=r"models\.trusted_keys = '.*gone\.pem' does not exist"):
        parse_settings(tables, "config.toml")


@pytest.mark.slow
def test_key_ids_are_what_openssl_says(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed (apt install openssl)")
    key = read_public_key(write_public_key(tmp_path / "key.pem"))
    command = ["openssl", "pkey", "-pubin", "-in", str(tmp_path / "key.pem"), "-outform", "DER"]
    der = subprocess.run(command, capture_output=True, check=True).stdout
    digest = subprocess.run(["openssl", "dgst", "-sha256", "-r"], input=der, capture_output=True, check=True)
    assert digest.stdout.decode().startswith(key.key_id)


@pytest.mark.slow
def test_without_the_library_nothing_runs(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check fails closed: a child that can't check is no "valid"."""
    key = sign(folder)
    gone = tmp_path / "path" / "cryptography"
    gone.mkdir(parents=True)
    (gone / "__init__.py").write_text("raise ModuleNotFoundError('cryptography is gone')")
    monkeypatch.setattr(child, "product_path", lambda: [str(gone.parent)])
    with pytest.raises(ModelError, match=r"can't be checked \(.*cryptography is gone"):
        opened(folder, key)


@pytest.mark.slow
def test_checking_a_signature_costs_the_daemon_no_memory() -> None:
    """The library lives and dies with a child process."""
    program = (
        "import sys\n"
        "from agent.inference.bundle.trust import open_bundle\n"
        "from agent.settings import ModelsSettings\n"
        "open_bundle(ModelsSettings())\n"
        "print(*[name for name in sys.modules if name.startswith('cryptography')])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_only_the_check_itself_opens_bundles_in_the_agent() -> None:
    """``Bundle.load`` asks for no signature; the probe calls it for a manifest whose digest was checked."""
    callers = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "agent").rglob("*.py")
        if "Bundle.load(" in path.read_text() or "Bundle.parse(" in path.read_text()
    }
    assert callers == {"agent/inference/bundle/trust.py", "agent/inference/choice/probe.py"}


@pytest.mark.slow
def test_the_agent_exits_3_with_one_sentence(folder: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(
        '[deployment]\nsite = "s"\ndevice = "d"\ncontext = "demo"\n'
        f'[sources.a]\ntype = "opencv"\ndevice = 0\n[models]\nbundle = "{folder}"\n'
    )
    environment = {name: value for name, value in os.environ.items() if "ALLOW_UNSIGNED" not in name}
    done = subprocess.run(
        [sys.executable, "-m", "agent", "check", "--config", str(config)],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 3
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert "is not signed" in line
