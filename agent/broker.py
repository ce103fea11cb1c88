"""One connection to an MQTT broker at a time: dialling, the accepted link, and the wait before the next try.

A ``BrokerLink`` lives from the TCP handshake to its end and is never reused, so nothing of a lost
connection survives in the MQTT library: what is unacknowledged is the outbox's knowledge alone.
"""

from __future__ import annotations

import logging
import os
import random
import select
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTErrorCode, MQTTProtocolVersion

from agent.credentials import load_credentials, tls_context
from agent.errors import BrokerError, ConfigError
from agent.refusals import broker_name, explain_error, explain_reason

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

    from agent.settings import MqttSettings

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S: Final = 10.0
"""For each of: TCP, TLS, and the broker's answer to CONNECT."""
MAX_IN_FLIGHT: Final = 20
"""Messages sent and not acknowledged; a broker may ask for fewer."""


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes, retained, when the device vanishes."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The broker's answer to one published message."""

    message_id: int
    refusal: str
    """One sentence; empty when accepted."""


@dataclass(frozen=True, slots=True)
class Received:
    """One message of a subscription."""

    topic: str
    payload: bytes
    retained: bool


class Wake:
    """Lets other threads end a ``BrokerLink.step`` or ``wait`` early; an event with a file descriptor."""

    def __init__(self) -> None:
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        """Readable while set."""
        return self._descriptor

    def set(self) -> None:
        """Wake the waiter, now or at its next wait; harmless after ``close``."""
        with suppress(OSError):
            os.eventfd_write(self._descriptor, 1)

    def clear(self) -> None:
        """Make the next wait block again."""
        with suppress(BlockingIOError):
            os.eventfd_read(self._descriptor)

    def wait(self, timeout_s: float) -> None:
        """Return when set or after ``timeout_s``; clears it."""
        poller = select.poll()
        poller.register(self._descriptor, select.POLLIN)
        poller.poll(max(0.0, timeout_s) * 1000.0)
        self.clear()


class Backoff:
    """Full-jitter exponential delays: uniform in [``floor_s``, min(``cap_s``, ``first_s`` · 2ⁿ)].

    Spreads a fleet's return after its broker restarts (Brooker, "Exponential Backoff and Jitter", 2015).
    """

    def __init__(
        self,
        first_s: float = 1.0,
        cap_s: float = 60.0,
        floor_s: float = 0.1,
        draw: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._first_s = first_s
        self._cap_s = cap_s
        self._floor_s = floor_s
        self._draw = draw
        self._ceiling_s = first_s

    def next_delay_s(self) -> float:
        """Seconds to wait before the next attempt."""
        ceiling_s = self._ceiling_s
        self._ceiling_s = min(self._cap_s, ceiling_s * 2.0)
        return max(self._floor_s, self._draw(self._floor_s, ceiling_s))

    def reset(self) -> None:
        """The last attempt worked and lasted."""
        self._ceiling_s = self._first_s


class BrokerLink:
    """One connection. ``open`` may run in another thread; afterwards one thread uses it at a time."""

    def __init__(self, settings: MqttSettings, client_id: str, will: Will | None = None) -> None:
        self.alive = False
        """True from the broker's acceptance to the end of the connection."""
        self.end_reason = ""
        """One sentence; why the link is not, or no longer, alive."""
        self.acknowledged: deque[Acknowledgement] = deque()
        """Filled by ``step``, emptied by the caller."""
        self.received: deque[Received] = deque()
        """Filled by ``step``, emptied by the caller."""
        self._settings = settings
        self._will = will
        self._answered = False
        self._library_error = ""
        version = MQTTProtocolVersion.MQTTv5 if settings.protocol == "5" else MQTTProtocolVersion.MQTTv311
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, protocol=version, reconnect_on_failure=False
        )
        self._client.max_inflight_messages = MAX_IN_FLIGHT
        self._client.connect_timeout = CONNECT_TIMEOUT_S
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.on_log = self._on_log

    def open(self, abandoned: threading.Event | None = None) -> None:
        """Resolve, connect, handshake, and wait for the broker's acceptance; blocks for seconds.

        Credentials and certificates are read anew, so a renewed certificate is used at the next connect.

        Raises:
            BrokerError: Unreachable, refused, or not answering; the sentence says which key to check.
        """
        try:
            self._identify()
        except ConfigError as error:
            raise BrokerError(str(error)) from error
        try:
            self._client.connect(
                self._settings.host, self._settings.effective_port, self._settings.keepalive_s
            )
        except (OSError, ValueError) as error:
            raise BrokerError(explain_error(self._settings, error)) from error
        deadline_s = time.monotonic() + CONNECT_TIMEOUT_S
        while not self._answered and (abandoned is None or not abandoned.is_set()):
            if time.monotonic() > deadline_s:
                self.close()
                raise BrokerError(explain_error(self._settings, TimeoutError()))
            self.step(0.2)
        if not self.alive:
            self.close()
            raise BrokerError(self.end_reason or f"{broker_name(self._settings)} closed the connection")

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        """Send with QoS 1; the returned message id comes back in ``acknowledged``."""
        info = self._client.publish(topic, payload, qos=1, retain=retain)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._end("")
        return info.mid

    def subscribe(self, topic_filter: str) -> None:
        """Ask for messages with QoS 1; a refusal ends the link."""
        self._client.subscribe(topic_filter, qos=1)

    def step(self, timeout_s: float, wake: Wake | None = None) -> None:
        """Wait up to ``timeout_s`` for the broker (or ``wake``), then read, write and keep alive."""
        socket = self._client.socket()
        if socket is None:
            self._end("")
            return
        poller = select.poll()
        poller.register(socket, select.POLLIN | (select.POLLOUT if self._client.want_write() else 0))
        if wake is not None:
            poller.register(wake, select.POLLIN)
        # Decrypted bytes that TLS already holds never show up in poll.
        pending = getattr(socket, "pending", None)
        ready = dict(poller.poll(0 if pending is not None and pending() else max(0.0, timeout_s) * 1000.0))
        if wake is not None and wake.fileno() in ready:
            wake.clear()
        self._serve(ready.get(socket.fileno(), 0) | (select.POLLIN if pending is not None else 0))

    def close(self) -> None:
        """Say DISCONNECT, which cancels the last will, if the link is alive; close the socket."""
        with suppress(OSError, ValueError):
            if self._client.is_connected():
                self._client.disconnect()
        self.alive = False
        if (socket := self._client.socket()) is not None:
            with suppress(OSError):
                socket.close()

    def _identify(self) -> None:
        credentials = load_credentials(self._settings)
        if credentials.username is not None:
            self._client.username_pw_set(credentials.username, credentials.password)
        if self._will is not None:
            self._client.will_set(self._will.topic, self._will.payload, qos=1, retain=True)
        context = tls_context(self._settings)
        if context is not None:
            self._client.tls_set_context(context)

    def _serve(self, events: int) -> None:
        code = MQTTErrorCode.MQTT_ERR_SUCCESS
        if events & (select.POLLIN | select.POLLHUP | select.POLLERR):
            code = self._client.loop_read()
        if code == MQTTErrorCode.MQTT_ERR_SUCCESS and self._client.want_write():
            code = self._client.loop_write()
        if code == MQTTErrorCode.MQTT_ERR_SUCCESS:
            code = self._client.loop_misc()
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._end("")

    def _end(self, reason: str) -> None:
        """Record the first and most telling reason; later ones are consequences."""
        self._answered = True
        self.alive = False
        if not self.end_reason:
            self.end_reason = reason or self._lost()

    def _lost(self) -> str:
        broker = broker_name(self._settings)
        if "CERTIFICATE" in self._library_error.upper() and "ALERT" in self._library_error.upper():
            return (
                f"{broker} refuses this device's certificate: check mqtt.certificate_file and mqtt.key_file"
            )
        detail = f" ({self._library_error})" if self._library_error else ""
        return f"lost the connection to {broker}{detail}: check the network and the broker's log"

    def _on_connect(
        self,
        _client: Client,
        _userdata: Any,
        _flags: ConnectFlags,
        reason: ReasonCode,
        answer: Properties | None,
    ) -> None:
        self._answered = True
        if reason.is_failure:
            self._end(explain_reason(self._settings, reason))
            return
        self.alive = True
        most = getattr(answer, "ReceiveMaximum", MAX_IN_FLIGHT)
        self._client.max_inflight_messages = min(MAX_IN_FLIGHT, most)

    def _on_disconnect(
        self,
        _client: Client,
        _userdata: Any,
        flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        by_broker = flags.is_disconnect_packet_from_server
        self._end(explain_reason(self._settings, reason) if by_broker and reason.is_failure else "")

    def _on_publish(
        self, _client: Client, _userdata: Any, message_id: int, reason: ReasonCode, _properties: Properties
    ) -> None:
        refusal = explain_reason(self._settings, reason) if reason.is_failure else ""
        self.acknowledged.append(Acknowledgement(message_id, refusal))

    def _on_subscribe(
        self,
        _client: Client,
        _userdata: Any,
        _message_id: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        for reason in reasons:
            if reason.is_failure:
                self._end(explain_reason(self._settings, reason))

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        self.received.append(Received(message.topic, message.payload, message.retain))

    def _on_log(self, _client: Client, _userdata: Any, level: int, text: str) -> None:
        if level == LogLevel.MQTT_LOG_ERR:
            self._library_error = text


class Dial:
    """Opens a link in a thread of its own, because a name server or a TLS peer may block for long."""

    def __init__(self, link: BrokerLink, wake: Wake) -> None:
        self.link = link
        self.error: BrokerError | None = None
        """Set before ``finished`` when the attempt failed."""
        self.finished = threading.Event()
        self._wake = wake
        self._abandoned = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mqtt-connect", daemon=True)
        self._thread.start()

    def abandon(self) -> None:
        """Close the link as soon as the attempt returns; nobody waits for it."""
        self._abandoned.set()

    def _run(self) -> None:
        try:
            self.link.open(self._abandoned)
        except BrokerError as error:
            self.error = error
        except Exception as error:  # thread top: an unforeseen failure is one failed attempt
            logger.exception("connecting failed unexpectedly")
            self.error = BrokerError(f"connecting failed unexpectedly ({error}): see the log")
        if self._abandoned.is_set():
            self.link.close()
        self.finished.set()
        self._wake.set()
