"""Home Assistant device discovery: one retained message describes the device and all its sensors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.messages import BirthMessage
    from agent.topics import Identity


def discovery_payload(identity: Identity, birth: BirthMessage) -> bytes:
    """The device's discovery message."""
    return json.dumps(
        {"device": {"identifiers": [identity.unique_id]}, "origin": {"name": birth.agent}}
    ).encode()
