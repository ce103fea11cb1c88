"""One exception class per decision a caller can take. Every message is a single sentence with a remedy."""

from __future__ import annotations

from typing import ClassVar


class AgentError(Exception):
    """Root of everything this package raises on purpose."""

    exit_code: ClassVar[int] = 1


class ConfigError(AgentError):
    """The configuration can't be used as it is; restarting changes nothing (exit 2)."""

    exit_code = 2


class ModelError(AgentError):
    """A network or its manifest is missing, altered or of an unknown shape (exit 3)."""

    exit_code = 3


class BackendError(AgentError):
    """No installed inference backend can run the network correctly (exit 4)."""

    exit_code = 4


class CameraError(AgentError):
    """A source delivered nothing usable; the capture thread tries again for ever."""


class BrokenThreadError(AgentError):
    """A thread of the agent died or hangs; only a new start of the agent brings it back (exit 1)."""


class SourceEnded(CameraError):  # noqa: N818 - an end of file is an event, not a fault
    """A replayed file or folder is finished; the run ends normally."""


class BrokerError(AgentError):
    """The MQTT broker is away or refused; the publisher tries again for ever."""


def printable(text: str) -> str:
    """The text with control characters spelt out: what a file says must not steer the terminal."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
