"""TCP ports that no other test, worker or client is given."""

from __future__ import annotations

import socket


def free_port() -> int:
    """A loopback port that nobody listens on and nobody else is given; each call gives another one.

    It stays bound, and silent, as long as this process lives: connections are refused, whoever asks the
    kernel for any port gets another one, and a server that reuses addresses, as all of ours do, may listen.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    port = int(holder.getsockname()[1])
    holder.detach()  # nobody closes it
    return port
