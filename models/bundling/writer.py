"""Writes networks and ``manifest.toml``; what is half written fails its digest and is never run."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from agent.errors import ModelError
from agent.host import replace_whole
from agent.inference.bundle import (
    MANIFEST,
    SIGNATURE,
    Bundle,
    Manifest,
    NetworkContent,
    NetworkEntry,
    NetworkFile,
    ReferenceFile,
)
from models.bundling.reference import REFERENCE, reference_content

_HEADER = "# Written by `python -m quantize`; edit the sources, not this file.\n\n"


def write_networks(folder: Path, entries: Mapping[str, NetworkEntry], files: Mapping[str, bytes]) -> None:
    """Put new or replaced networks into a bundle; other entries stay as they are.

    What can fail comes first, then the networks' files, the manifest last, each moved into place whole: a
    failure leaves the bundle as it was, and no folder where none was. The result is not signed: a signature
    that was there is removed first, as it would no longer fit.

    Args:
        folder: The bundle; made where missing.
        entries: By manifest key; each of their files' digests must fit ``files``.
        files: Path in the bundle → content.

    Raises:
        ModelError: The existing manifest can't be read, or a network is not what its entry says, can't be
            run, or has no FP32 file for ONNX Runtime.
        OSError: The disk refuses.
    """
    kept = Bundle.load(folder) if (folder / MANIFEST).exists() else None
    networks = {**(kept.manifest.networks if kept else {}), **entries}

    def content_of(file: NetworkFile) -> NetworkContent:
        if file.path in files:
            return NetworkContent(folder / file.path, file.backend, files[file.path])
        if kept is None:
            raise ModelError(f"{folder} has no {file.path}: write it with its entry")
        return kept.read(file)

    for file in (file for entry in entries.values() for file in entry.files):
        if file.path in files and sha256_of(files[file.path]) != file.sha256:
            raise ModelError(f"{file.path} is not the file that its entry means: make it again")
    reference = reference_content(networks, content_of)
    manifest = Manifest(
        schema_version=1,
        networks=networks,
        reference=ReferenceFile(path=REFERENCE, sha256=sha256_of(reference)),
    )
    text = _HEADER + tomli_w.dumps(_plain(manifest.model_dump(exclude_none=True)))
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / SIGNATURE).unlink(missing_ok=True)
        for relative, content in {**files, REFERENCE: reference, MANIFEST: text.encode()}.items():
            (folder / relative).parent.mkdir(parents=True, exist_ok=True)
            replace_whole(folder / relative, content)
    except BaseException:
        if is_new:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def sha256_of(content: bytes) -> str:
    """Digest as manifests write it."""
    return hashlib.sha256(content).hexdigest()


def _plain(value: Any) -> Any:
    """Tuples as lists and short floats, as TOML wants them."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    # Six digits that count: a scale of 1/255 would lose half of them to fixed ones.
    return float(f"{value:.6g}") if isinstance(value, float) else value
