"""TCP ports that no other test, worker or client is given."""

from __future__ import annotations

import itertools
import os
import socket
from typing import Final

_FIRST: Final = 16_000
_PER_WORKER: Final = 1_000
_WORKERS: Final = 16
"""All ranges lie below the ports that Linux gives to clients and to who binds port 0 (32768 and up)."""
_worker: Final = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % _WORKERS
# Two runs on one machine rarely begin at the same place.
_places: Final = itertools.count(os.getpid() % _PER_WORKER)


def free_port() -> int:
    """A loopback port of this worker's own range that nobody listens on; each call gives another one."""
    for place in itertools.islice(_places, _PER_WORKER):
        port = _FIRST + _worker * _PER_WORKER + place % _PER_WORKER
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise AssertionError("all ports of this worker's range are taken")
