"""Keeps what trying the backends brought, for as long as nothing it depends on has changed."""

from __future__ import annotations

import hashlib
import importlib.metadata
import logging
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import TypeAdapter

from agent.host import cpu_model, read_cpu_flags, replace_whole
from agent.inference.choice.trial import Trial  # noqa: TC001 - pydantic reads the annotations

if TYPE_CHECKING:
    from agent.inference.bundle import Bundle

logger = logging.getLogger(__name__)

FILE_NAME: Final = "backend-choice.json"
_DISTRIBUTIONS: Final = (
    "onnxruntime",
    "onnxruntime-gpu",
    "openvino",
    "ai-edge-litert",
    "tflite-runtime",
    "numpy",
)
"""Packages whose version a measurement depends on."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Everything that the trials depend on; equal values mean that old trials still hold."""

    bundle_sha256: str
    """Of the manifest, which stands for all files, whose digests it holds."""
    versions: dict[str, str]
    """Of the installed distributions, by name."""
    cpu: str
    cpu_flags_sha256: str
    threads: int
    """For inference."""
    asked: tuple[str, ...]
    """What the configuration asks for: backend, precision, networks."""
    schema: int = 1


@dataclass(frozen=True, slots=True)
class Kept:
    """The file's content."""

    circumstances: Circumstances
    trials: tuple[Trial, ...]


_FILE: Final = TypeAdapter(Kept)


def circumstances(bundle: Bundle, threads: int, asked: tuple[str, ...]) -> Circumstances:
    """Those of now; for the arguments see the class."""
    flags = " ".join(sorted(read_cpu_flags()))
    return Circumstances(
        bundle_sha256=bundle.sha256,
        versions={name: found for name in _DISTRIBUTIONS if (found := _version(name)) is not None},
        cpu=f"{platform.machine()} {cpu_model()}",
        cpu_flags_sha256=hashlib.sha256(flags.encode()).hexdigest(),
        threads=threads,
        asked=asked,
    )


def read_trials(state_dir: Path | None, now: Circumstances) -> tuple[Trial, ...] | None:
    """Trials made under the same circumstances; None where there are none to be read."""
    if state_dir is None:
        return None
    try:
        kept = _FILE.validate_json((state_dir / FILE_NAME).read_bytes(), strict=True)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        logger.info("%s can't be used (%s): the backends are tried again", state_dir / FILE_NAME, reason)
        return None
    return kept.trials if kept.circumstances == now else None


def write_trials(state_dir: Path | None, now: Circumstances, trials: Sequence[Trial]) -> None:
    """Keep trials; a reader sees the old file or the new one. What can't be written is said and let be."""
    if state_dir is None:
        return
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        content = _FILE.dump_json(Kept(now, tuple(trials)), indent=1)
        replace_whole(state_dir / FILE_NAME, content, mode=0o600)
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
