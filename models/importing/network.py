"""Puts a user's network into a bundle folder, beside what is there, with the entry it is run by."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.errors import ConfigError, ModelError, printable
from agent.inference.bundle import (
    Bundle,
    InputSpec,
    NetworkContent,
    NetworkEntry,
    NetworkFile,
    default_bundle_folder,
)
from agent.settings import ModelsSettings
from models.bundling import sha256_of, write_networks
from models.importing.check import UNIT_SCALE, in_words, look, read_picture
from models.importing.class_names import count_of, parse_labels, resolve_labels
from models.importing.onnx_file import UserFile, open_user_file
from models.importing.outputs import HEADS, Wanted, find_reading
from models.importing.request import ImportRequest

SCALES: Final = {"0-1": UNIT_SCALE, "0-255": 1.0}
COLOURS: Final = ("RGB", "BGR")
NOT_STATED: Final = "not stated"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_COPYLEFT: Final = re.compile(r"\bA?GPL", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a network is, or is to go."""

    key: str
    """In the manifest: the family at one input size."""
    bundle: Path
    """Folder."""
    entry: NetworkEntry


def import_network(request: ImportRequest, say: Callable[[str], None]) -> Placed:
    """Understand a file, try it on a picture, copy it into a bundle.

    ``say`` takes a line on what was found or decided; those that begin with "warning:" need attention.

    Raises:
        ModelError: The file is no detector that the agent can run, or the bundle is none.
        ConfigError: An option is wrong or missing.
    """
    name = request.name or re.sub(r"[^A-Za-z0-9_.-]+", "_", request.path.stem).lstrip("_.-")
    _check_options(request, name)
    picture = read_picture(request.image)
    folder = request.bundle or Path(f"{name}-bundle")
    content, key, entry = _understand(request, name, say)
    placed = Placed(key, folder, entry)
    kept = existing_bundle(placed, replace=request.replace)
    look(content, placed.entry, picture, say)
    place(placed, content, kept, say)
    return placed


def _understand(
    request: ImportRequest, name: str, say: Callable[[str], None]
) -> tuple[NetworkContent, str, NetworkEntry]:
    """What to copy, and its key and entry in the manifest."""
    labels = parse_labels(request.labels)
    file = open_user_file(request.path, request.input_px)
    count, counted_from = count_of(labels, file.class_names)
    wanted = Wanted(request.head, _anchors(request.anchors), count, counted_from)
    file, reading = find_reading(file, wanted)
    say(f"{file.path}: {file.shapes_in_words}: {reading.in_words}")
    if reading.anchors and not request.anchors:
        say("warning: boxes follow YOLOv5's own anchors; give --anchors if yours were learnt anew")
    for change in file.changes:
        say(f"changed: {change}")
    names = resolve_labels(labels, file.class_names, reading.layout.class_count)
    say(f"labels: {', '.join(names)}")
    spec = _spec(file.spec, request)
    say(f"input: {spec.width_px}x{spec.height_px} px, {in_words(spec)}, {spec.dtype} {spec.layout}")
    licence = _licence(file, request.licence, say)
    content = NetworkContent(file.path, "onnxruntime", file.bytes_to_run)
    side = f"{spec.height_px}" if spec.height_px == spec.width_px else f"{spec.width_px}x{spec.height_px}"
    key = f"{name}_{side}"
    artefact = NetworkFile(
        backend=content.backend,
        precision="fp32",
        path=f"{key}.fp32.onnx",
        sha256=sha256_of(content.network),
    )
    entry = NetworkEntry(
        family=name,
        task="face" if len(names) == 1 else "face_emotion",
        input=spec,
        labels=names,
        head=reading.layout.head,
        strides=reading.strides,
        anchors=reading.anchors,
        licence=licence,
        training_data=(
            f"unknown: imported from {printable(file.path.name)} with sha256 {sha256_of(file.content)}",
        ),
        files=(artefact,),
    )
    return content, key, entry


def _check_options(request: ImportRequest, name: str) -> None:
    choices = (
        ("--colour", request.colour, COLOURS),
        ("--head", request.head, HEADS),
        ("--scale", request.scale or "0-1", tuple(SCALES)),
    )
    for option, value, known in choices:
        if value not in known:
            raise ConfigError(f"{option} {value} is unknown: use {' or '.join(known)}")
    if not _NAME.fullmatch(name):
        raise ConfigError(f"--name {name!r} can't name a network: use letters, digits, '_', '.' and '-'")


def _anchors(text: str | None) -> tuple[float, ...]:
    """Width and height of each, finest stride first.

    Raises:
        ConfigError: They are no list of pairs.
    """
    if text is None:
        return ()
    try:
        numbers = tuple(float(item) for item in text.replace(",", " ").split())
    except ValueError:
        numbers = ()
    if not numbers or len(numbers) % 2 or not all(0.0 < number < math.inf for number in numbers):
        raise ConfigError(
            f"--anchors {text} can't be read: give width,height of each in pixels, finest stride first"
        )
    return numbers


def _spec(spec: InputSpec, request: ImportRequest) -> InputSpec:
    """The file's input with the user's reading of pixels."""
    colour = "GREY" if spec.colour == "GREY" else request.colour
    if spec.dtype == "uint8":
        if request.scale not in {None, "0-255"}:
            raise ConfigError("--scale 0-1 does not fit a file that takes uint8 pixels: leave it away")
        return spec.model_copy(update={"colour": colour})
    return spec.model_copy(update={"colour": colour, "scale": SCALES[request.scale or "0-1"]})


def _licence(file: UserFile, stated: str | None, say: Callable[[str], None]) -> str:
    noted = printable(file.metadata.get("license", "") or file.metadata.get("licence", ""))
    licence = printable(stated or "") or noted or NOT_STATED
    if _COPYLEFT.search(licence) or _COPYLEFT.search(noted):
        say(
            f"warning: licence {licence}: the copy in the bundle and all that is quantised from it fall under"
            " that, not under this product's licence; observe it when you hand the bundle on"
        )
        if stated and not _COPYLEFT.search(stated):
            say(f"warning: the file itself notes {noted}; recorded is what you stated")
    elif licence == NOT_STATED:
        say(
            "warning: the file names no licence; what was trained with Ultralytics' YOLOv5, v8 or 11 falls"
            " under AGPL-3.0: state it with --licence"
        )
    return licence


def existing_bundle(placed: Placed, *, replace: bool) -> Bundle | None:
    """The bundle as it is; None where there is none yet.

    Raises:
        ConfigError: The folder holds something else, or this network already.
        ModelError: Its manifest can't be read.
    """
    folder, entry = placed.bundle, placed.entry
    if not (folder / "manifest.toml").exists():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ConfigError(
                f"{folder} holds something other than a bundle: name a new folder with --bundle"
            )
        return None
    kept = Bundle.load(folder)
    networks = kept.manifest.networks
    if placed.key in networks and not replace:
        raise ConfigError(
            f"{folder} already has a network {placed.key}: pass --replace, or choose another --name"
        )
    for key, present in networks.items():
        alike = (present.task, present.labels) == (entry.task, entry.labels)
        if present.family == entry.family and key != placed.key and not alike:
            raise ConfigError(
                f"{folder} has a network {entry.family} with other labels already: choose another --name"
            )
    return kept


def place(placed: Placed, content: NetworkContent, kept: Bundle | None, say: Callable[[str], None]) -> None:
    """Add the network, and to a face detector in a bundle without one (``kept``) the classifier it needs.

    ``say`` takes a line of what else was copied.

    Raises:
        ModelError: The network can't be run, or a shipped file is altered.
    """
    entries, files = {placed.key: placed.entry}, {placed.entry.files[0].path: content.network}
    classifier = ModelsSettings().classifier
    present = {} if kept is None else kept.manifest.networks
    if placed.entry.task == "face" and not any(other.family == classifier for other in present.values()):
        for key, (entry, own) in _shipped(classifier, say).items():
            entries[key] = entry
            files |= own
            say(f"copied {key} from the installed bundle, to name the expressions of the faces")
    write_networks(placed.bundle, entries, files)


def _shipped(family: str, say: Callable[[str], None]) -> dict[str, tuple[NetworkEntry, dict[str, bytes]]]:
    """Entries of the installed bundle with their files: path in the bundle → content."""
    try:
        bundle = Bundle.load(default_bundle_folder())
        entries = bundle.family(family)
    except ModelError as error:
        say(f"warning: no classifier is copied, as {error}")
        return {}
    return {key: (entry, _files(bundle, entry)) for key, entry in entries.items()}


def _files(bundle: Bundle, entry: NetworkEntry) -> dict[str, bytes]:
    files = {}
    for artefact in entry.files:
        content = bundle.read(artefact)
        files[artefact.path] = content.network
        if content.weights:
            files[str(Path(artefact.path).with_suffix(".bin"))] = content.weights
    return files
