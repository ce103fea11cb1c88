"""``manifest.toml``: what each network of a bundle is, and the proof that its files are the ones meant."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from agent.errors import ModelError
from agent.files import read_bounded
from agent.inference.bundle.content import MOST_TEXT_BYTES, Backend, NetworkContent, parse_toml
from agent.inference.bundle.place import MANIFEST

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Precision = Literal["fp32", "int8_u8s8", "int8_s8s8", "int8"]
Task = Literal["face", "emotion", "face_emotion"]
_PATH: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)*$"
"""Relative, and never upwards."""
MOST_SIDE_PX: Final = 4096
"""Of a network's input."""
_MOST_KEY_CHARACTERS: Final = 80
"""Of a wrong key that a refusal repeats."""


def _require_printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it holds characters that can't be printed")
    return text


Text = Annotated[str, AfterValidator(_require_printable)]
"""For people, on a terminal or in a log: no control characters, no line breaks."""


class Entry(BaseModel):
    """Base of every manifest table: unknown keys are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class InputSpec(Entry):
    """Shape and meaning of a network's only input; the batch is always 1."""

    height_px: int = Field(ge=8, le=MOST_SIDE_PX)
    width_px: int = Field(ge=8, le=MOST_SIDE_PX)
    colour: Literal["BGR", "RGB", "GREY"]
    layout: Literal["NHWC", "NCHW"] = "NHWC"
    dtype: Literal["uint8", "float32"] = "uint8"
    scale: float = Field(default=1.0, gt=0.0, le=255.0)
    """A pixel value in 0…255 is multiplied by this before it enters a float32 input."""

    @property
    def channels(self) -> int:
        """1 for grey, else 3."""
        return 1 if self.colour == "GREY" else 3

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of the input tensor, in the network's layout."""
        if self.layout == "NHWC":
            return (1, self.height_px, self.width_px, self.channels)
        return (1, self.channels, self.height_px, self.width_px)


class NetworkFile(Entry):
    """One exported artefact."""

    backend: Backend
    precision: Precision
    path: str = Field(pattern=_PATH)
    """Relative to the bundle; never leaves it."""
    sha256: Sha256
    weights_sha256: Sha256 | None = None
    """Of the ``.bin`` beside an OpenVINO ``.xml``; its path is ``path`` with the other suffix."""
    scores: dict[Text, float] = Field(default_factory=dict)
    """Held-out figures of this very file, such as ``accuracy8`` or ``ap50_16px``, in [0, 1]."""


class NetworkEntry(Entry):
    """One network at one input size, in all its artefacts."""

    family: Text = Field(min_length=1)
    """What a configuration names; the family's entries differ in input size only."""
    task: Task
    input: InputSpec
    labels: tuple[Text, ...] = Field(min_length=1)
    """Meaning of the class channels, in order."""
    head: Literal[
        "auto", "yolo_ltrb", "yolo_dfl", "yolo_anchor_maps", "yolo_fused", "yolo_anchor", "logits"
    ] = "auto"
    """How raw outputs become boxes or scores; "auto" recognises a detector's outputs by their shapes."""
    strides: tuple[Annotated[int, Field(gt=0, le=MOST_SIDE_PX)], ...] = ()
    anchors: tuple[Annotated[float, Field(gt=0.0)], ...] = ()
    """Width and height in px of each anchor of raw YOLOv5 maps, finest stride first; of no other head."""
    licence: Text
    training_data: tuple[Text, ...]
    calibration_sha256: Sha256 | None = None
    """Digest of the images the INT8 ranges were measured on."""
    temperature: float = Field(default=1.0, gt=0.0)
    """Logits are divided by this before softmax (Guo et al. 2017)."""
    unknown_below: float = Field(default=0.0, ge=0.0, le=1.0)
    """Calibrated confidence under which a reading is ``unknown``."""
    crop_scale: float = Field(default=1.0, gt=0.5, lt=3.0)
    """Side of the square classifier crop as a multiple of the face box's longer side."""
    files: tuple[NetworkFile, ...] = Field(min_length=1)

    def file_for(self, backend: str, precision: str) -> NetworkFile | None:
        """The file of a backend and precision; None where there is none."""
        wanted = (backend, precision)
        return next((file for file in self.files if (file.backend, file.precision) == wanted), None)


class ReferenceFile(Entry):
    """Where the answers are that every backend has to give: see :mod:`agent.inference.bundle.reference`."""

    path: str = Field(pattern=_PATH)
    sha256: Sha256


class Manifest(Entry):
    """The whole file."""

    schema_version: Literal[1]
    networks: dict[Text, NetworkEntry]
    reference: ReferenceFile | None = None
    """None where a bundle brings no reference tensors; candidates are then judged by time alone."""


def read_manifest(folder: Path) -> bytes:
    """Content of ``folder/manifest.toml``, unchecked.

    Raises:
        ModelError: The file is missing or unreadable.
    """
    path = folder / MANIFEST
    try:
        return read_bounded(path, MOST_TEXT_BYTES)
    except OSError as error:
        raise ModelError(f"can't read {path}: {error}; install the model bundle again") from error


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A manifest and the folder it describes."""

    folder: Path
    manifest: Manifest
    sha256: str = ""
    """Of the manifest's bytes; empty for one that was never written."""
    signer: str = ""
    """Name and id of the key whose signature was checked; empty without a signature."""
    signer_id: str = ""
    """The id alone."""

    @classmethod
    def load(cls, folder: Path) -> Bundle:
        """Read ``folder/manifest.toml``, whoever made it; the agent calls ``trust.open_bundle`` instead.

        Raises:
            ModelError: The file is missing, is no TOML, or breaks the schema.
        """
        return cls.parse(folder, read_manifest(folder))

    @classmethod
    def parse(cls, folder: Path, content: bytes) -> Bundle:
        """Understand the content of ``folder/manifest.toml``; the networks' files are checked when resolved.

        Raises:
            ModelError: It is no TOML, or breaks the schema.
        """
        path = folder / MANIFEST
        try:
            manifest = Manifest.model_validate(parse_toml(content))
        except ValidationError as error:
            first = error.errors()[0]
            key = ascii(".".join(map(str, first["loc"])))[1:-1][:_MOST_KEY_CHARACTERS]
            raise ModelError(f"{path}: {key}: {first['msg']}; use a bundle made for this version") from error
        except ValueError as error:
            raise ModelError(f"{path} is not valid TOML ({error}); install the model bundle again") from error
        return cls(folder, manifest, hashlib.sha256(content).hexdigest())

    def family(self, name: str) -> dict[str, NetworkEntry]:
        """All entries of a family, largest input first.

        Raises:
            ModelError: The bundle has no such family; the known ones are named.
        """
        found = {key: entry for key, entry in self.manifest.networks.items() if entry.family == name}
        if not found:
            known = ", ".join(sorted({entry.family for entry in self.manifest.networks.values()}))
            raise ModelError(f"{self.folder} has no network {name!r}; it has {known or 'none at all'}")
        return dict(sorted(found.items(), key=lambda item: -item[1].input.height_px * item[1].input.width_px))

    def read(self, file: NetworkFile) -> NetworkContent:
        """An artefact's bytes, which match the manifest.

        Raises:
            ModelError: The file is missing or its digest differs.
        """
        path = self.folder / file.path
        found = NetworkContent.read(path, file.backend)
        self._verify(path, found.network, file.sha256)
        if file.weights_sha256 is not None or found.weights:
            self._verify(path.with_suffix(".bin"), found.weights, file.weights_sha256 or "none")
        return found

    @staticmethod
    def _verify(path: Path, content: bytes, expected_sha256: str) -> None:
        digest = hashlib.sha256(content).hexdigest()
        if digest != expected_sha256:
            raise ModelError(
                f"model file {path} has sha256 {digest[:12]}… but the manifest says {expected_sha256[:12]}…;"
                " it was truncated or exchanged: install the bundle again",
            )
