"""A real mosquitto on a free loopback port, and a subscriber that records what it sends out."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.support.contract import check_contract
from tests.support.ports import free_port
from tests.support.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from paho.mqtt.client import ConnectFlags, MQTTMessage
    from paho.mqtt.reasoncodes import ReasonCode


def mosquitto_path() -> str:
    """Of the broker's program; skips the test where it is not installed."""
    path = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if path is None:
        pytest.skip("mosquitto is not installed (apt install mosquitto)")
    return path


@dataclass(frozen=True)
class BrokerOptions:
    """What differs from an open, plain, in-memory broker."""

    users: dict[str, str] = field(default_factory=dict)
    """User name to password; anonymous clients are refused when there are any."""
    acl: str = ""
    """Content of an ACL file."""
    tls: tuple[Path, Path, Path] | None = None
    """CA, server certificate, server key: TLS on the port."""
    require_certificate: bool = False
    """Clients must show a certificate of the CA; its common name is the user name."""
    persistent: bool = False
    """Retained messages and sessions survive ``stop`` and ``start`` (not ``kill``)."""
    extra: str = ""
    """Further lines of the configuration."""
    whole: str = ""
    """A complete configuration instead of the above; it listens on the port given to ``Broker``."""


class Broker:
    """A mosquitto process; ``start`` after ``stop`` or ``kill`` uses the same port."""

    def __init__(self, folder: Path, options: BrokerOptions | None = None, port: int | None = None) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.host = "127.0.0.1"
        self._options = options or BrokerOptions()
        self._process: subprocess.Popen[bytes] | None = None
        self._program = mosquitto_path()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.kill()

    @property
    def url(self) -> str:
        """For messages and command lines."""
        return f"mqtt{'s' if self._options.tls else ''}://{self.host}:{self.port}"

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """What the broker has said so far."""
        path = self.folder / "mosquitto.log"
        return path.read_text() if path.exists() else ""

    def start(self) -> None:
        """Start and wait until the port answers."""
        configuration = self.folder / "mosquitto.conf"
        configuration.write_text(self._configuration())
        with (self.folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "-v", "-c", str(configuration)], stdout=log, stderr=log
            )
        wait_until(self._listens, "mosquitto to listen", last_words=lambda: self.log)

    def wait_for_subscription(self, topic_filter: str, times: int = 1) -> None:
        """Until this filter was subscribed to so often with QoS 1; what is published from then on arrives.

        Mosquitto does one thing after the other, so that what is in its log holds for every later message.
        """
        wait_until(
            lambda: self.log.count(f"\t{topic_filter} (QoS 1)") >= times,
            f"a subscription to {topic_filter}",
            last_words=lambda: self.log,
        )

    def stop(self) -> None:
        """End it cleanly; connected clients see their connection closed."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Kill and start again; retained messages are gone, as without persistence."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """Stop it in its tracks; the kernel still accepts connections for it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused broker go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"mosquitto ended at once: {self.log}"
        with socket.socket() as probe:
            probe.settimeout(0.2)
            return probe.connect_ex((self.host, self.port)) == 0

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        process.send_signal(signal.SIGCONT)

        def has_ended() -> bool:
            # Again and again: mosquitto's port answers before its loop runs, and it forgets what comes then.
            process.send_signal(number)
            return process.poll() is not None

        wait_until(has_ended, "mosquitto to end", last_words=lambda: self.log)

    def _configuration(self) -> str:
        options = self._options
        # Else it gives up root and can't read the test's private folder.
        user = ["user root"] if os.geteuid() == 0 else []
        if options.whole:
            return "\n".join([*user, options.whole])
        lines = [*user, f"listener {self.port} {self.host}", "log_type all"]
        lines.append(f"persistence {'true' if options.persistent else 'false'}")
        if options.persistent:
            lines += [f"persistence_location {self.folder}/", "max_queued_messages 0"]
        if options.tls is not None:
            ca, certificate, key = options.tls
            lines += [f"cafile {ca}", f"certfile {certificate}", f"keyfile {key}"]
        if options.require_certificate:
            lines += ["require_certificate true", "use_identity_as_username true"]
        lines.append(f"allow_anonymous {'false' if options.users else 'true'}")
        if options.users:
            lines.append(f"password_file {self._password_file()}")
        if options.acl:
            (self.folder / "acl").write_text(options.acl)
            lines.append(f"acl_file {self.folder / 'acl'}")
        return "\n".join([*lines, options.extra, ""])

    def _password_file(self) -> Path:
        path = self.folder / "passwords"
        path.write_text("".join(f"{user}:{password}\n" for user, password in self._options.users.items()))
        subprocess.run(["mosquitto_passwd", "-U", str(path)], check=True)
        path.chmod(0o644)
        return path


@dataclass(frozen=True)
class Record:
    """One received message."""

    topic: str
    payload: bytes
    retained: bool
    repeated: bool = False
    """Sent again by the broker itself (MQTT's DUP flag)."""

    @property
    def json(self) -> dict[str, Any]:
        """The payload as an object."""
        value = json.loads(self.payload)
        assert isinstance(value, dict)
        return value


class Recorder:
    """Subscribes to everything and keeps it in order; reconnects by itself after a broker restart.

    At the end it checks that every agent's message kept the contract. With ``session``, a client id, the
    broker keeps what it could not deliver for later.
    """

    def __init__(self, broker: Broker, *, session: str = "", **login: Any) -> None:
        self.records: list[Record] = []
        self._changed = threading.Condition()
        self._subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, session, protocol=MQTTProtocolVersion.MQTTv5)
        self._session = session
        self._client.reconnect_delay_set(min_delay=1, max_delay=1)
        if "username" in login:
            self._client.username_pw_set(login["username"], login["password"])
        if "tls" in login:
            self._client.tls_set_context(login["tls"])
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message
        self._broker = broker

    def __enter__(self) -> Self:
        properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        if self._session:
            properties.SessionExpiryInterval = 3_600
        self._client.connect(
            self._broker.host, self._broker.port, clean_start=not self._session, properties=properties
        )
        self._client.loop_start()
        assert self._subscribed.wait(DEADLINE_S), "the recorder could not subscribe"
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        if error is None:
            check_contract(self.records)

    def wait_subscribed(self) -> None:
        """After a broker restart: until messages are recorded again."""
        assert self._subscribed.wait(DEADLINE_S), "the recorder could not subscribe again"

    def expect_reconnect(self) -> None:
        """Call before a broker restart, so that ``wait_subscribed`` waits for the new subscription."""
        self._subscribed.clear()

    def on(self, suffix: str) -> list[Record]:
        """Records whose topic ends with ``suffix`` or has it as a level, in order."""
        with self._changed:
            return [r for r in self.records if r.topic.endswith(suffix) or f"/{suffix}/" in r.topic]

    def wait_for(self, predicate: Callable[[list[Record]], object], deadline_s: float = DEADLINE_S) -> None:
        """Until ``predicate`` of the records so far holds; fails with a summary after ``deadline_s``."""
        with self._changed:
            if not self._changed.wait_for(lambda: predicate(self.records), deadline_s):
                summary = "\n".join(f"{r.topic} {r.payload[:120]!r}" for r in self.records[-20:])
                raise AssertionError(f"not seen within {deadline_s} s; the last messages were:\n{summary}")

    def _on_connect(
        self,
        client: Client,
        _userdata: Any,
        _flags: ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if not reason.is_failure:
            client.subscribe("#", qos=1)

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        with self._changed:
            self.records.append(Record(message.topic, bytes(message.payload), message.retain, message.dup))
            self._changed.notify_all()


@pytest.fixture
def broker(tmp_path: Path) -> Any:
    """An open broker on loopback."""
    folder = tmp_path / "broker"
    folder.mkdir()
    folder.chmod(0o755)
    with Broker(folder) as running:
        yield running
