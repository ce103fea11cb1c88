"""Writes networks and ``manifest.toml``; what is half written fails its digest and is never run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from agent.host import replace_whole
from agent.inference.bundle import MANIFEST, SIGNATURE, Bundle, Manifest, NetworkEntry, ReferenceFile
from models.bundling.reference import REFERENCE, reference_content

_HEADER = "# Written by `python -m quantize`; edit the sources, not this file.\n\n"


def write_networks(folder: Path, entries: Mapping[str, NetworkEntry], files: Mapping[str, Path]) -> None:
    """Put new or replaced networks into a bundle; other entries stay as they are.

    The networks' files come first, the manifest last, each moved into place whole. The result is not signed:
    a signature that was there is removed first, as it would no longer fit.

    Args:
        folder: The bundle; made where missing.
        entries: By manifest key; each of their files' digests must fit ``files``.
        files: Path in the bundle → the file to copy.

    Raises:
        ModelError: The existing manifest can't be read, or a network has no FP32 file for ONNX Runtime.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept = Bundle.load(folder).manifest.networks if (folder / MANIFEST).exists() else {}
    networks = {**kept, **entries}
    (folder / SIGNATURE).unlink(missing_ok=True)
    for relative, source in files.items():
        (folder / relative).parent.mkdir(parents=True, exist_ok=True)
        replace_whole(folder / relative, source.read_bytes())
    reference = reference_content(folder, networks)
    replace_whole(folder / REFERENCE, reference)
    manifest = Manifest(
        schema_version=1,
        networks=networks,
        reference=ReferenceFile(path=REFERENCE, sha256=hashlib.sha256(reference).hexdigest()),
    )
    text = _HEADER + tomli_w.dumps(_plain(manifest.model_dump(exclude_none=True)))
    replace_whole(folder / MANIFEST, text.encode())


def sha256_of(path: Path) -> str:
    """Digest of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _plain(value: Any) -> Any:
    """Tuples as lists and short floats, as TOML wants them."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    # Six digits that count: a scale of 1/255 would lose half of them to fixed ones.
    return float(f"{value:.6g}") if isinstance(value, float) else value
