"""What a user's classes are called in this project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from agent.domain import EMOTIONS
from agent.errors import ConfigError, ModelError

FACE: Final = "face"
_FACES: Final = frozenset({FACE, "faces", "head", "human face", "visage"})
_OTHER_NAMES: Final = {
    "neutral": ("natural", "normal", "calm"),
    "happiness": ("happy", "joy", "smile", "smiling"),
    "surprise": ("surprised", "suprise"),
    "sadness": ("sad",),
    "anger": ("angry", "mad"),
    "disgust": ("disgusted",),
    "fear": ("fearful", "afraid", "scared"),
    "contempt": ("contemptuous", "scorn"),
}
"""What public data sets call the eight expressions."""
_KNOWN: Final = {name: label for label, names in _OTHER_NAMES.items() for name in (label, *names)}


@dataclass(frozen=True, slots=True)
class Labels:
    """The ``--labels`` option: either a list in class order, or a mapping of the file's own names."""

    in_order: tuple[str, ...] = ()
    renamed: Mapping[str, str] | None = None


def parse_labels(text: str | None) -> Labels:
    """Read ``happiness,sadness`` or ``happy=happiness,3=sadness``.

    Raises:
        ConfigError: It is a mixture of both, or an item is empty.
    """
    if text is None:
        return Labels()
    items = [item.strip() for item in text.split(",")]
    pairs = [tuple(part.strip() for part in item.split("=", 1)) for item in items if "=" in item]
    if not all(items) or len(pairs) not in {0, len(items)} or any("" in pair for pair in pairs):
        raise ConfigError(
            f"--labels {text} can't be read: give a list such as happiness,sadness in class order,"
            " or a mapping such as happy=happiness,sad=sadness",
        )
    if not pairs:
        return Labels(in_order=tuple(items))
    return Labels(renamed={pair[0].lower(): pair[1] for pair in pairs})


def count_of(labels: Labels, names: Sequence[str]) -> tuple[int | None, str]:
    """How many classes user or file speak of, and which of the two, for messages."""
    if labels.in_order:
        return len(labels.in_order), "--labels names"
    if names:
        return len(names), "the file names"
    return None, ""


def resolve_labels(labels: Labels, names: Sequence[str], class_count: int) -> tuple[str, ...]:
    """Label of each class, in this project's words: ``("face",)``, or two or more of ``EMOTIONS``.

    The file's own ``names`` are as many as the outputs have classes, or none.

    Raises:
        ConfigError: A class has no label, or two have the same.
        ModelError: The only class is not known to be a face.
    """
    if class_count == 1:
        return (_only_face(labels, names),)
    renamed = labels.renamed or {}
    own = labels.in_order or _mapped(renamed, names, class_count)
    found = [_KNOWN.get(name.lower(), "") for name in own]
    lost = [f"{index} ({name or 'nameless'})" for index, name in enumerate(own) if not found[index]]
    if lost:
        raise ConfigError(
            f"class {', '.join(lost)} is none of {', '.join(EMOTIONS)}: give every class one of"
            " these in --labels, as a list in class order or as a mapping such as happy=happiness",
        )
    twice = sorted({label for label in found if found.count(label) > 1})
    if twice:
        raise ConfigError(
            f"several classes are labelled {', '.join(twice)}: give each class a label of its own in --labels"
        )
    return tuple(found)


def _mapped(renamed: Mapping[str, str], names: Sequence[str], class_count: int) -> tuple[str, ...]:
    """The file's names, or the classes' numbers, through the user's mapping."""
    known = [name.lower() for name in names] or [""] * class_count
    numbers = {str(index) for index in range(class_count)}
    strange = sorted(set(renamed) - set(known) - numbers)
    if strange:
        said = ", ".join(names) or "not noted in the file: use their numbers, from 0"
        raise ConfigError(f"--labels maps {', '.join(strange)}, but the classes are {said}")
    return tuple(
        renamed.get(str(index), renamed.get(name, names[index] if names else ""))
        for index, name in enumerate(known)
    )


def _only_face(labels: Labels, names: Sequence[str]) -> str:
    stated = labels.in_order or tuple((labels.renamed or {}).values())
    if stated and stated != (FACE,):
        raise ConfigError(f"--labels {','.join(stated)}: the only class of a face detector is {FACE}")
    if not stated and names and names[0].lower() not in _FACES:
        raise ModelError(
            f"the only class of the file is called {names[0]!r}: pass --labels face if it finds faces"
        )
    return FACE
