"""Keeps what trying the backends brought, for as long as nothing it depends on has changed."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import logging
import os
import platform
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from agent.host import cpu_model, read_cpu_flags
from agent.inference.choice.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger(__name__)

FILE_NAME: Final = "backend-choice.json"
SCHEMA: Final = 1
_DISTRIBUTIONS: Final = (
    "onnxruntime",
    "onnxruntime-gpu",
    "openvino",
    "ai-edge-litert",
    "tflite-runtime",
    "numpy",
)
"""Packages whose version a measurement depends on."""


def circumstances(bundle_folder: Path, threads: int, asked: Sequence[str]) -> dict[str, Any]:
    """Everything that the trials depend on; equal values mean that old trials still hold.

    Args:
        bundle_folder: Its manifest stands for all files, whose digests it holds.
        threads: For inference.
        asked: What the configuration asks for: backend, precision, networks.
    """
    manifest = (bundle_folder / "manifest.toml").read_bytes()
    flags = " ".join(sorted(read_cpu_flags()))
    return {
        "schema": SCHEMA,
        "bundle_sha256": hashlib.sha256(manifest).hexdigest(),
        "versions": {name: found for name in _DISTRIBUTIONS if (found := _version(name)) is not None},
        "cpu": f"{platform.machine()} {cpu_model()}",
        "cpu_flags_sha256": hashlib.sha256(flags.encode()).hexdigest(),
        "threads": threads,
        "asked": list(asked),
    }


def read_trials(state_dir: Path | None, now: dict[str, Any]) -> tuple[Trial, ...] | None:
    """Trials made under the same circumstances; None where there are none to be read."""
    if state_dir is None:
        return None
    try:
        content = json.loads((state_dir / FILE_NAME).read_text(encoding="utf-8"))
        if content["circumstances"] != now:
            return None
        return tuple(Trial.from_json(trial) for trial in content["trials"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        logger.info("%s can't be used (%s): the backends are tried again", state_dir / FILE_NAME, error)
        return None


def write_trials(state_dir: Path | None, now: dict[str, Any], trials: Sequence[Trial]) -> None:
    """Keep trials; a reader sees the old file or the new one. What can't be written is said and let be."""
    if state_dir is None:
        return
    content = json.dumps({"circumstances": now, "trials": [trial.as_json() for trial in trials]}, indent=1)
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, partial = tempfile.mkstemp(prefix=f"{FILE_NAME}.", dir=state_dir)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(content)
            Path(partial).replace(state_dir / FILE_NAME)
        except OSError:
            with contextlib.suppress(OSError):
                Path(partial).unlink()
            raise
    except OSError as error:
        logger.warning(
            "the backend choice can't be kept in %s (%s): the backends are tried again at every start",
            state_dir,
            error,
        )


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
