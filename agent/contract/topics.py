"""The MQTT topics of contract v1, built and taken apart in one place.

<root>/v1/<site>/<device>/availability | birth | health | (counts | people | crossings | day)/<source>
<prefix>/device/<id>/config                     Home Assistant discovery
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

VERSION: Final = "v1"
"""Second part of every topic; the payloads grow only by addition while it stays."""

ONLINE: Final = "online"
OFFLINE: Final = "offline"

_LEVEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
"""What the configuration takes as the name of a source."""

WindowKind = Literal["counts", "people", "crossings", "day"]
Kind = Literal["availability", "birth", "health"] | WindowKind

_ESCAPES: Final = str.maketrans({"_": "__", ".": "_--", "/": "_-_"})


@dataclass(frozen=True, slots=True)
class Identity:
    """Which device of which site speaks, and under which root."""

    site: str
    device: str
    root: str = "emotion-agent"

    @property
    def client_id(self) -> str:
        """MQTT client id of a device that configures none; no other identity has it: names have no colons."""
        return f"{self.root.replace('/', ':')}:{self.site}:{self.device}"

    @property
    def unique_id(self) -> str:
        """Identifier for Home Assistant: letters, digits, ``_`` and ``-``; no other identity has it."""
        return joined(self.root, self.site, self.device)

    @property
    def former_unique_id(self) -> str:
        """What ``unique_id`` was up to version 0.1: other identities may have had the same."""
        return re.sub(r"[^A-Za-z0-9-]", "_", f"{self.root}_{self.site}_{self.device}")


@dataclass(frozen=True, slots=True)
class Address:
    """What a received topic says about its sender."""

    site: str
    device: str
    kind: Kind
    source: str = ""
    """Camera name of a window's or a day's topic; empty otherwise."""


def joined(*names: str) -> str:
    """Names as one id of letters, digits, ``_`` and ``-``, from which they can be told again.

    A letter or digit after a lone ``_`` begins the next name, so every name but the first has to begin with
    one, as sites, devices and sources do. Of the rest, ``_`` becomes ``__``, ``.`` ``_--`` and ``/`` ``_-_``.
    """
    return "_".join(name.translate(_ESCAPES) for name in names)


def device_topic(identity: Identity, leaf: str) -> str:
    """``leaf`` below the device's own branch, the only branch a device may write to."""
    return f"{identity.root}/{VERSION}/{identity.site}/{identity.device}/{leaf}"


def availability_topic(identity: Identity) -> str:
    """Retained ``online`` or ``offline``; also the topic of the last will."""
    return device_topic(identity, "availability")


def birth_topic(identity: Identity) -> str:
    """Retained description of the running session."""
    return device_topic(identity, "birth")


def health_topic(identity: Identity) -> str:
    """Retained latest health."""
    return device_topic(identity, "health")


def window_topic(identity: Identity, kind: WindowKind, source: str) -> str:
    """Windows of one source, or its days, not retained.

    Raises:
        ValueError: ``source`` is no name of a source; a broker would refuse the topic, or the connection.
    """
    if not _LEVEL.fullmatch(source):
        raise ValueError(f"{source!r} can't be a level of a topic")
    return device_topic(identity, f"{kind}/{source}")


def counts_topic(identity: Identity, source: str) -> str:
    """Windows of one source with expressions; as :func:`window_topic`."""
    return window_topic(identity, "counts", source)


def discovery_topic(identity: Identity, prefix: str) -> str:
    """Home Assistant device discovery, retained."""
    return f"{prefix}/device/{identity.unique_id}/config"


def former_discovery_topic(identity: Identity, prefix: str) -> str:
    """Where an agent up to version 0.1 announced the device; empty if that is where it still does."""
    moved = identity.former_unique_id != identity.unique_id
    return f"{prefix}/device/{identity.former_unique_id}/config" if moved else ""


def homeassistant_status_topic(prefix: str) -> str:
    """Where Home Assistant announces its own start."""
    return f"{prefix}/status"


def fleet_filter(root: str, site: str | None = None, device: str | None = None) -> str:
    """Subscription that covers every message of the chosen devices."""
    return f"{root}/{VERSION}/{site or '+'}/{device or '+'}/#"


def parse_topic(root: str, topic: str) -> Address | None:
    """The sender of a message, or None for a topic that is not part of contract v1."""
    head = f"{root}/{VERSION}/"
    if not topic.startswith(head):
        return None
    match topic.removeprefix(head).split("/"):
        case [site, device, ("availability" | "birth" | "health") as kind] if site and device:
            return Address(site, device, kind)
        case [site, device, ("counts" | "people" | "crossings" | "day") as kind, source] if (
            site and device and source
        ):
            return Address(site, device, kind, source)
        case _:
            return None
