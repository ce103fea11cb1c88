"""Whose networks this device runs: the manifest's signature is checked before anything of a bundle is used.

    manifest.toml ──► signed by a trusted key? ──► parsed ──► Bundle ──► each file's digest, when it is opened

The manifest holds the digest of every file, so one Ed25519 signature (RFC 8032) over its bytes covers the
whole bundle. It lies beside the manifest in ``manifest.toml.sig``. Keys are public keys in PEM; those in
``keys`` are trusted everywhere, and a configuration may name more. See ``agent/docs/supply-chain.md``.

The signature is checked in a child process: the library would keep nine megabytes of the daemon for good.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field

from agent.errors import ConfigError, ModelError
from agent.files import read_bounded
from agent.host import ask_child
from agent.inference.bundle import signature as checker
from agent.inference.bundle.content import MOST_TEXT_BYTES, parse_toml
from agent.inference.bundle.manifest import Bundle, Entry, read_manifest
from agent.inference.bundle.place import MANIFEST, default_bundle_folder

if TYPE_CHECKING:
    from agent.settings import ModelsSettings

logger = logging.getLogger(__name__)

SIGNATURE: Final = f"{MANIFEST}.sig"
SHIPPED_KEYS: Final = Path(__file__).parent / "keys"
_ED25519_PREFIX: Final = bytes.fromhex("302a300506032b6570032100")
"""How the DER form of every Ed25519 public key begins (RFC 8410, section 4); the key's 32 bytes follow."""
_CHECK_TIMEOUT_S: Final = 60.0

KeyId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
"""First 8 bytes of the SHA-256 of the public key in DER."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The public half of a key pair, and what people call it."""

    name: str
    """Name of its file, without the suffix."""
    key_id: str
    raw: bytes
    """32 bytes."""

    def __str__(self) -> str:
        return f"{self.name} ({self.key_id})"


class SignatureFile(Entry):
    """``manifest.toml.sig``."""

    key_id: KeyId
    """Which key to check with; a wrong one only makes the check fail."""
    signature: str
    """Base64 of 64 bytes."""


def open_bundle(settings: ModelsSettings) -> Bundle:
    """The configured bundle, once its manifest is known to come from a trusted signer.

    Args:
        settings: Where the bundle is, which keys are trusted besides the shipped ones, and whether a bundle
            without a signature may run. One whose signature is wrong or a stranger's may not in any case.

    Raises:
        ModelError: The manifest is missing, unsigned, altered, signed by a stranger, or breaks the schema.
        ConfigError: A file of ``models.trusted_keys`` is no public key.
    """
    folder = settings.bundle or default_bundle_folder()
    # Read once: what is checked is what is used.
    content = read_manifest(folder)
    found = read_signature(folder)
    if found is not None:
        signer = _require_trusted(folder, content, found, trusted_keys(settings))
        return replace(Bundle.parse(folder, content), signer=str(signer), signer_id=signer.key_id)
    if not settings.allow_unsigned:
        raise ModelError(
            f"{folder / MANIFEST} is not signed, so nobody knows who made these networks: install the bundle"
            " again, sign it with python -m quantize sign, or set models.allow_unsigned = true",
        )
    logger.warning("%s is not signed; it runs because models.allow_unsigned is true", folder / MANIFEST)
    return Bundle.parse(folder, content)


def signature_in_words(signer: str) -> str:
    """For people: who signed a bundle that was opened."""
    return f"valid, by {signer}" if signer else "NOT SIGNED: allowed by models.allow_unsigned"


def trusted_keys(settings: ModelsSettings) -> Mapping[str, SigningKey]:
    """Shipped and configured public keys by their id.

    Raises:
        ConfigError: A configured file is no Ed25519 public key in PEM.
    """
    keys = [read_public_key(path) for path in sorted(SHIPPED_KEYS.glob("*.pem"))]
    for path in settings.trusted_keys:
        try:
            keys.append(read_public_key(path))
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"models.trusted_keys: {path} is no Ed25519 public key in PEM ({error}):"
                " name the .pem file that python -m quantize keygen wrote",
            ) from error
    return {key.key_id: key for key in keys}


def read_public_key(path: Path) -> SigningKey:
    """One PEM file; ``openssl pkey -pubin -in FILE -outform DER | sha256sum`` begins with its id.

    Raises:
        OSError: The file can't be read.
        ValueError: It holds something else.
    """
    lines = read_bounded(path, MOST_TEXT_BYTES).decode("ascii").splitlines()
    if "-----BEGIN PUBLIC KEY-----" not in lines or "-----END PUBLIC KEY-----" not in lines:
        raise ValueError("there is no PUBLIC KEY block in it")
    body = lines[lines.index("-----BEGIN PUBLIC KEY-----") + 1 : lines.index("-----END PUBLIC KEY-----")]
    der = base64.b64decode("".join(body), validate=True)
    raw = der.removeprefix(_ED25519_PREFIX)
    if len(der) - len(raw) != len(_ED25519_PREFIX) or len(raw) != checker.PUBLIC_KEY_BYTES:
        raise ValueError("the key in it is of another kind")
    return SigningKey(path.stem, key_id_of(raw), raw)


def key_id_of(raw: bytes) -> str:
    """Short name of a public key of 32 bytes."""
    return hashlib.sha256(_ED25519_PREFIX + raw).hexdigest()[:16]


def read_signature(folder: Path) -> SignatureFile | None:
    """What lies beside a manifest; None where nothing does.

    Raises:
        ModelError: The file is damaged or unreadable.
    """
    path = folder / SIGNATURE
    try:
        return SignatureFile.model_validate(parse_toml(read_bounded(path, MOST_TEXT_BYTES)))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} is no signature file: install the bundle again") from error


def _require_trusted(
    folder: Path, content: bytes, found: SignatureFile, trusted: Mapping[str, SigningKey]
) -> SigningKey:
    """The key that made the signature, if it is trusted and did."""
    manifest = folder / MANIFEST
    key = trusted.get(found.key_id)
    if key is None:
        known = ", ".join(map(str, trusted.values())) or "none"
        raise ModelError(
            f"{manifest} is signed by key {found.key_id}, which is not trusted here (trusted: {known}):"
            " install a bundle of a trusted signer, or name that key's public half in models.trusted_keys",
        )
    if not is_signed_by(key, found, content, manifest):
        raise ModelError(
            f"{manifest} is not what key {key} has signed: it was altered; install the bundle again",
        )
    return key


def is_signed_by(key: SigningKey, found: SignatureFile, content: bytes, manifest: Path) -> bool:
    """Ask a child process whether the signature over ``content`` is this key's.

    Args:
        key: Whose signature it has to be.
        found: The signature.
        content: What is signed.
        manifest: Its path, for the error.

    Raises:
        ModelError: The check can't be made.
    """
    try:
        raw = base64.b64decode(found.signature, validate=True)
    except ValueError:
        return False
    if len(raw) != checker.SIGNATURE_BYTES:
        return False
    try:
        done = ask_child(Path(checker.__file__), key.raw + raw + content, _CHECK_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModelError(_unchecked(manifest, str(error))) from error
    answer = done.stdout.decode("ascii", "replace").strip()
    if done.returncode != 0 or answer not in {checker.VALID, checker.INVALID}:
        last_words = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise ModelError(_unchecked(manifest, " ".join(last_words) or f"exit status {done.returncode}"))
    return answer == checker.VALID


def _unchecked(manifest: Path, reason: str) -> str:
    return (
        f"the signature of {manifest} can't be checked ({reason}):"
        " install the agent again, with its dependency cryptography"
    )
