"""Puts an understood network into a bundle folder, beside what is there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import ConfigError, ModelError
from agent.inference.bundle import Bundle, default_bundle_folder
from agent.settings import ModelsSettings
from models.bundling import write_networks

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.inference.bundle import NetworkEntry


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a network is, or is to go."""

    name: str
    """Family: what a configuration names."""
    key: str
    """In the manifest: the family at one input size."""
    bundle: Path
    """Folder."""
    entry: NetworkEntry


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


def place(placed: Placed, source: Path, kept: Bundle | None, say: Callable[[str], None]) -> None:
    """Add the network, and to a face detector in a bundle without one (``kept``) the classifier it needs.

    ``say`` takes a line of what else was copied.

    Raises:
        ModelError: The network can't be run, or a shipped file is altered.
    """
    entries, files = {placed.key: placed.entry}, {placed.entry.files[0].path: source}
    classifier = ModelsSettings().classifier
    present = {} if kept is None else kept.manifest.networks
    if placed.entry.task == "face" and not any(other.family == classifier for other in present.values()):
        for key, (entry, own) in _shipped(classifier, say).items():
            entries[key] = entry
            files |= own
            say(f"copied {key} from the installed bundle, to name the expressions of the faces")
    write_networks(placed.bundle, entries, files)


def _shipped(family: str, say: Callable[[str], None]) -> dict[str, tuple[NetworkEntry, dict[str, Path]]]:
    """Entries of the installed bundle with their files: path in the bundle → the file to copy."""
    try:
        bundle = Bundle.load(default_bundle_folder())
        entries = bundle.family(family)
    except ModelError as error:
        say(f"warning: no classifier is copied, as {error}")
        return {}
    return {key: (entry, _files(bundle, entry)) for key, entry in entries.items()}


def _files(bundle: Bundle, entry: NetworkEntry) -> dict[str, Path]:
    files = {artefact.path: bundle.resolve(artefact) for artefact in entry.files}
    for artefact in entry.files:
        if artefact.weights_sha256 is not None:
            weights = files[artefact.path].with_suffix(".bin")
            files[str(Path(artefact.path).with_suffix(".bin"))] = weights
    return files
