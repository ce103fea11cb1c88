"""One connection to an MQTT broker, and every reason why there is none.

A ``BrokerLink`` lives from the TCP handshake to its end and is never reused, so nothing of a lost
connection survives in the MQTT library: what is unacknowledged is the outbox's knowledge alone.
"""

from __future__ import annotations

import select
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent.errors import BrokerError, ConfigError
from agent.mqtt.bounded import MAX_PACKET_BYTES, BoundedClient
from agent.mqtt.credentials import load_credentials, tls_context
from agent.mqtt.refusals import broker_name, explain_error, explain_loss, explain_reason

if TYPE_CHECKING:
    from paho.mqtt.client import Client, DisconnectFlags, MQTTMessage
    from paho.mqtt.reasoncodes import ReasonCode

    from agent.mqtt.wake import Wake
    from agent.settings import MqttSettings

CONNECT_TIMEOUT_S: Final = 10.0
"""For each of: TCP, TLS, and the broker's answer to CONNECT."""
MAX_IN_FLIGHT: Final = 20
"""Messages sent and not acknowledged; an MQTT 5 broker may ask for fewer (its Receive Maximum)."""
_MAX_RECEIVED: Final = 64
"""Messages kept for a caller who takes none; one step reads no more than there are in flight."""


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes, retained, when the device vanishes."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The broker's answer to one published message."""

    ticket: int
    refusal: str
    """One sentence; empty when accepted."""


@dataclass(frozen=True, slots=True)
class Received:
    """One message of a subscription."""

    topic: str
    payload: bytes
    retained: bool


class BrokerLink:
    """One connection. ``open`` may run in another thread; afterwards one thread uses it at a time."""

    def __init__(self, settings: MqttSettings, client_id: str, will: Will | None = None) -> None:
        self.alive = False
        """True from the broker's acceptance to the end of the connection."""
        self.subscribed: bool | None = None
        """Whether the broker granted the latest subscription; None until it has answered."""
        self.end_reason = ""
        """One sentence; why the link is not, or no longer, alive."""
        self.acknowledged: deque[Acknowledgement] = deque()
        """Filled by ``step``, emptied by the caller."""
        self.received: deque[Received] = deque(maxlen=_MAX_RECEIVED)
        """Filled by ``step``, emptied by the caller after each one, lest the oldest go."""
        self._settings = settings
        self._will = will
        self._answered = False
        self._library_error = ""
        self._in_flight_limit = MAX_IN_FLIGHT
        self._unsent: deque[tuple[int, str, bytes, bool]] = deque()
        """Ticket, topic, payload, retain; waiting for room in flight."""
        self._tickets: dict[int, int] = {}
        """Message id in flight to ticket."""
        self._last_ticket = 0
        self._subscription: int | None = None
        """Message id of the latest one."""
        version = MQTTProtocolVersion.MQTTv5 if settings.protocol == "5" else MQTTProtocolVersion.MQTTv311
        self._client = BoundedClient(
            CallbackAPIVersion.VERSION2, client_id=client_id, protocol=version, reconnect_on_failure=False
        )
        self._client.max_inflight_messages = 0  # counted here, because the library ignores the broker's wish
        self._client.connect_timeout = CONNECT_TIMEOUT_S
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.on_log = self._on_log

    @property
    def name(self) -> str:
        """How sentences call the broker."""
        return broker_name(self._settings)

    @property
    def congested(self) -> bool:
        """Whether what is published now has to wait for the broker to acknowledge what went before."""
        return bool(self._unsent)

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
        settings, wishes = self._settings, None
        if settings.protocol == "5":
            wishes = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            wishes.MaximumPacketSize = MAX_PACKET_BYTES
        try:
            self._client.connect(
                settings.host, settings.effective_port, settings.keepalive_s, properties=wishes
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
            raise BrokerError(self.end_reason or f"{self.name} closed the connection")

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        """Send with QoS 1, in order; the returned ticket comes back in ``acknowledged``."""
        self._last_ticket += 1
        self._unsent.append((self._last_ticket, topic, payload, retain))
        self._send()
        return self._last_ticket

    def subscribe(self, *topic_filters: str) -> None:
        """Ask for messages with QoS 1; the answer shows in ``subscribed``."""
        self.subscribed = None
        _, self._subscription = self._client.subscribe([(each, 1) for each in topic_filters])

    def step(self, timeout_s: float, wake: Wake | None = None) -> None:
        """Wait up to ``timeout_s`` for the broker (or ``wake``), then read, write and keep alive."""
        socket = self._client.socket()
        if socket is None or socket.fileno() < 0:
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

    def give_up(self, reason: str) -> None:
        """End the link for ``reason``, one sentence; the broker publishes the last will."""
        self._end(reason)
        self.close()

    def disconnect(self) -> None:
        """Say a clean goodbye, which makes the broker forget the last will."""
        with suppress(OSError, ValueError):
            self._client.disconnect()
        self.close()

    def close(self) -> None:
        """Drop the connection; without ``disconnect`` before it, the broker publishes the last will."""
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
        elif self.alive:
            self._send()

    def _send(self) -> None:
        while self._unsent and len(self._tickets) < self._in_flight_limit:
            ticket, topic, payload, retain = self._unsent.popleft()
            info = self._client.publish(topic, payload, qos=1, retain=retain)
            self._tickets[info.mid] = ticket
            if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                self._end("")
                return

    def _end(self, reason: str) -> None:
        """Record the first and most telling reason; later ones are consequences."""
        if not self.end_reason and self._client.misdeed:
            self.end_reason = f"{self.name} {self._client.misdeed}"
        elif not self.end_reason:
            self.end_reason = reason or explain_loss(
                self._settings, self._library_error, accepted=self._answered
            )
        self._answered = True
        self.alive = False

    def _on_connect(
        self, _client: Client, _data: object, _flags: object, reason: ReasonCode, answer: Properties | None
    ) -> None:
        if reason.is_failure:
            self._end(explain_reason(self._settings, reason))
            return
        self._answered = True
        self.alive = True
        self._in_flight_limit = min(MAX_IN_FLIGHT, getattr(answer, "ReceiveMaximum", MAX_IN_FLIGHT))

    def _on_disconnect(
        self, _client: Client, _data: object, flags: DisconnectFlags, reason: ReasonCode, *_: object
    ) -> None:
        by_broker = flags.is_disconnect_packet_from_server
        self._end(explain_reason(self._settings, reason) if by_broker and reason.is_failure else "")

    def _on_publish(
        self, _client: Client, _data: object, message_id: int, reason: ReasonCode, *_: object
    ) -> None:
        refusal = explain_reason(self._settings, reason) if reason.is_failure else ""
        if (ticket := self._tickets.pop(message_id, None)) is not None:
            self.acknowledged.append(Acknowledgement(ticket, refusal))

    def _on_subscribe(
        self, _client: Client, _data: object, message_id: int, reasons: list[ReasonCode], *_: object
    ) -> None:
        if message_id == self._subscription:
            self.subscribed = not any(reason.is_failure for reason in reasons)

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        with suppress(UnicodeDecodeError):  # nobody of ours has such a topic
            self.received.append(Received(message.topic, bytes(message.payload), message.retain))

    def _on_log(self, _client: Client, _data: object, level: int, text: str) -> None:
        if level == LogLevel.MQTT_LOG_ERR:
            self._library_error = text
