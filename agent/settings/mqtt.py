"""``[mqtt]`` and who listens there."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from agent.settings.table import Table, TopicName


def is_loopback(host: str) -> bool:
    """Whether traffic to ``host`` stays on this machine; only literal addresses and localhost count."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class MqttSettings(Table):
    """The broker and how to prove who we are. Secrets come from files, never from this table."""

    host: str = Field(default="localhost", min_length=1)
    port: int | None = Field(default=None, ge=1, le=65_535)
    """None is 8883 with TLS, 1883 without."""
    root: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$")] = "emotion-agent"
    protocol: Literal["3.1.1", "5"] = "5"
    client_id: TopicName | None = None
    """None is ``emotion-agent:<site>:<device>``."""
    keepalive_s: int = Field(default=30, ge=5, le=3_600)
    tls: bool | None = None
    """None means TLS unless the broker is on this machine."""
    allow_plaintext: bool = False
    """Must be true to switch TLS off for a broker on another machine."""
    ca_file: Path | None = None
    """PEM; None trusts the system's authorities."""
    certificate_file: Path | None = None
    key_file: Path | None = None
    username: str | None = None
    username_file: Path | None = None
    password_file: Path | None = None
    """Else the systemd credential ``mqtt-password`` where the unit provides one."""
    queue_max_windows: int = Field(default=10_000, ge=1, le=1_000_000)
    """Unsent windows kept; beyond it the oldest is dropped and counted."""

    @property
    def uses_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return not is_loopback(self.host) if self.tls is None else self.tls

    @property
    def effective_port(self) -> int:
        """The configured port or the protocol's registered one."""
        return self.port or (8883 if self.uses_tls else 1883)

    @model_validator(mode="after")
    def _plaintext_is_deliberate(self) -> Self:
        if self.tls is False and not is_loopback(self.host) and not self.allow_plaintext:
            msg = "tls = false sends in clear to another machine: remove it or set allow_plaintext = true"
            raise ValueError(msg)
        if (self.certificate_file is None) != (self.key_file is None):
            msg = "certificate_file and key_file go together: set both or neither"
            raise ValueError(msg)
        if self.username is not None and self.username_file is not None:
            msg = "username and username_file exclude each other: keep one"
            raise ValueError(msg)
        return self


class HomeAssistantSettings(Table):
    """Home Assistant device discovery."""

    discovery: bool = False
    prefix: TopicName = "homeassistant"
