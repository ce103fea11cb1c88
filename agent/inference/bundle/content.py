"""What a bundle's files hold, read once: the bytes that were verified are the bytes that run.

A path can mean another file a moment later. So nobody but this module opens a file of a bundle: digests,
signatures and runtimes are given its content.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from agent.errors import ModelError
from agent.files import read_bounded
from agent.inference.bundle.onnx_walk import walk_onnx

Backend = Literal["onnxruntime", "openvino", "litert"]

MOST_NETWORK_BYTES: Final = 512 * 2**20
"""Of one file; the largest shipped one has 9 MB."""
MOST_TEXT_BYTES: Final = 2**18
"""Of a manifest, a signature or a key; the shipped manifest has 17 kB."""
_MOST_DOTS: Final = 1_000
"""In a line: the parser's time grows with the cube of the parts of a dotted key."""
_IR_BEGINS: Final = b"<"
"""OpenVINO's own format is XML; what else is handed to it is ONNX."""


def parse_toml(content: bytes) -> dict[str, object]:
    """What a manifest or a signature file says.

    Raises:
        ValueError: It is no TOML, or is made to keep a parser busy.
    """
    text = content.decode("utf-8")
    if any(line.count(".") > _MOST_DOTS for line in text.splitlines()):
        raise ValueError(f"a line with more than {_MOST_DOTS} dots")
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


@dataclass(frozen=True, slots=True)
class NetworkContent:
    """A network for one backend, complete in these bytes."""

    path: Path
    """Where it was read, for messages only."""
    backend: Backend
    network: bytes
    weights: bytes = b""
    """Of the ``.bin`` beside an OpenVINO ``.xml``."""

    @classmethod
    def read(cls, path: Path, backend: Backend) -> NetworkContent:
        """Read a file and, where it is an ``.xml``, its ``.bin``.

        Raises:
            ModelError: One of them can't be read.
        """
        paths = (path, path.with_suffix(".bin")) if path.suffix == ".xml" else (path,)
        found = []
        for each in paths:
            try:
                found.append(read_bounded(each, MOST_NETWORK_BYTES))
            except OSError as error:
                raise ModelError(
                    f"can't read model file {each}: {error}; install the bundle again"
                ) from error
        return cls(path, backend, *found)

    def require_complete(self) -> None:
        """Refuse an ONNX file that wants another one, which no digest covers.

        Given bytes, a runtime looks for that in the working directory (OpenVINO 2026.4 does). Takes 2 ms.

        Raises:
            ModelError: It does, or its structure is broken.
        """
        if self.backend == "litert" or self.network.startswith(_IR_BEGINS):
            return
        try:
            wants_others = walk_onnx(self.network).wants_other_files
        except ValueError as error:
            raise ModelError(f"{self.path} is no ONNX file ({error}): install the bundle again") from error
        if wants_others:
            raise ModelError(
                f"{self.path} keeps weights in another file, which no digest covers:"
                " export it as one file (external_data=False)"
            )
