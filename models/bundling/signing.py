"""Makes key pairs, and signs a bundle: puts ``manifest.toml.sig`` beside a manifest that fits its files."""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

import tomli_w
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from agent.errors import AgentError
from agent.files import read_bounded
from agent.host import replace_whole
from agent.inference.bundle import (
    MOST_TEXT_BYTES,
    SHIPPED_KEYS,
    SIGNATURE,
    Bundle,
    SigningKey,
    key_id_of,
    load_reference,
    read_manifest,
    read_public_key,
)

PUBLIC_SUFFIX: Final = ".pem"
_HEADER: Final = "# Written by `python -m quantize sign`: Ed25519 over every byte of manifest.toml.\n\n"


def make_key_pair(path: Path) -> Path:
    """Write a new private key (PKCS#8 PEM), readable to its owner only, and its public half beside it.

    The folder is made where missing. What is returned is the public key's path: the same, ending in ``.pem``.

    Raises:
        AgentError: One of the two files exists, or can't be written; no key is ever overwritten.
    """
    public = path.with_suffix(PUBLIC_SUFFIX)
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    told = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    if path == public or path.exists() or public.exists():
        raise AgentError(f"{path} or {public} is there already: choose another name")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(path, flags, stat.S_IRUSR | stat.S_IWUSR), "wb") as file:
            file.write(secret)
        public.write_bytes(told)
    except OSError as error:
        raise AgentError(f"can't write keys to {path.parent}: {error}; choose another place") from error
    return public


def sign_bundle(folder: Path, key_file: Path, ask_passphrase: Callable[[], str]) -> SigningKey:
    """Sign a bundle's manifest, replacing any other signature.

    Args:
        folder: The bundle.
        key_file: Private Ed25519 key, PKCS#8 PEM, with or without a passphrase.
        ask_passphrase: Called for a key that has one.

    Returns:
        The public half, under the name of the private key's file.

    Raises:
        ModelError: The manifest is broken or doesn't fit the files; a signature would vouch for that.
        AgentError: The key can't be used.
    """
    content = read_manifest(folder)
    require_intact(Bundle.parse(folder, content))
    key = _read_private_key(key_file, ask_passphrase)
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    signer = SigningKey(key_file.stem, key_id_of(raw), raw)
    signature = base64.b64encode(key.sign(content)).decode("ascii")
    text = _HEADER + tomli_w.dumps({"key_id": signer.key_id, "signature": signature})
    replace_whole(folder / SIGNATURE, text.encode())
    return signer


def require_intact(bundle: Bundle) -> None:
    """Every file that a manifest names is there, has the digest it says, and wants no other file.

    Raises:
        ModelError: One isn't, hasn't or does.
    """
    for entry in bundle.manifest.networks.values():
        for file in entry.files:
            bundle.read(file).require_complete()
    load_reference(bundle)


def is_shipped(signer: SigningKey) -> bool:
    """Whether agents of this version trust the key without being told."""
    return signer.raw in {read_public_key(path).raw for path in SHIPPED_KEYS.glob(f"*{PUBLIC_SUFFIX}")}


def _read_private_key(path: Path, ask_passphrase: Callable[[], str]) -> Ed25519PrivateKey:
    try:
        content = read_bounded(path, MOST_TEXT_BYTES)
    except OSError as error:
        raise AgentError(f"can't read the private key {path}: {error}; name it with --key") from error
    try:
        try:
            key = load_pem_private_key(content, password=None)
        except TypeError:  # the library's word for "it has a passphrase"
            key = load_pem_private_key(content, ask_passphrase().encode())
    except ValueError as error:
        raise AgentError(f"{path} can't be read as a private key ({error}): try again") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise AgentError(f"{path} is no Ed25519 key: make one with python -m quantize keygen")
    return key
