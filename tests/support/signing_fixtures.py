"""Signatures for test bundles, by a key pair that lives as long as the test run."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent.inference.bundle.manifest import read_manifest
from agent.inference.bundle.trust import SIGNATURE, key_id_of

if TYPE_CHECKING:
    from pathlib import Path

THROW_AWAY: Final = Ed25519PrivateKey.generate()


def sign(folder: Path, key: Ed25519PrivateKey = THROW_AWAY) -> Path:
    """Sign the bundle in ``folder``; gives the public key to trust, which lies beside the folder."""
    public = write_public_key(signer_of(folder), key)
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    write_signature(folder, key_id_of(raw), key.sign(read_manifest(folder)))
    return public


def signer_of(folder: Path) -> Path:
    """Where :func:`sign` puts the public key."""
    return folder.with_name(f"{folder.name}-signer.pem")


def write_public_key(path: Path, key: Ed25519PrivateKey = THROW_AWAY) -> Path:
    """The public half in PEM."""
    path.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return path


def write_signature(folder: Path, key_id: str, signature: bytes) -> None:
    """A signature file that says just this."""
    encoded = base64.b64encode(signature).decode("ascii")
    (folder / SIGNATURE).write_text(f'key_id = "{key_id}"\nsignature = "{encoded}"\n')
