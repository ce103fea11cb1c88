"""The MQTT library, held to bounds: what a broker sends is judged before it is kept."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from paho.mqtt.client import Client
from paho.mqtt.enums import MessageType, MQTTErrorCode

MAX_PACKET_BYTES: Final = 131_072
"""Of one packet from the broker; twice what the longest message of the contract needs."""
_MAX_OWED: Final = 1_000
"""Packets that wait for the broker to read them; ours alone are some thirty."""
_HEAD_BYTES: Final = 512
"""Of what is too long, looked at for its topic."""
_TYPE: Final = 0xF0
_MORE_THAN_QOS_1: Final = 0x04
"""In a packet's first byte: its type, and of a PUBLISH the higher bit of its QoS (MQTT 5.0, 3.3.1)."""


class BoundedClient(Client):
    """paho's client, which a broker can't fill the memory with: it gives up, and ``misdeed`` tells why.

    The library itself takes in what a packet's header announces, 256 MiB at most, and keeps every message of
    QoS 2 until the broker releases it. Its first read of a packet asks for the whole announced rest (2.1 and
    2.2 alike), so the length is known here before a byte of it is taken.
    """

    misdeed: str = ""
    """What the broker did, and a remedy, to follow its name."""

    def _sock_recv(self, bufsize: int) -> bytes:
        if bufsize > MAX_PACKET_BYTES:
            self.misdeed = (
                f"sends {bufsize} bytes{self._topic_of_next()} where {MAX_PACKET_BYTES} are the most that is"
                " taken: clear what is retained there, and set the broker's message_size_limit to 65536"
            )
            raise OSError(self.misdeed)
        return super()._sock_recv(bufsize)

    def _topic_of_next(self) -> str:
        head = b""
        if self._in_packet["command"] & _TYPE == MessageType.PUBLISH:
            with suppress(OSError):
                head = super()._sock_recv(_HEAD_BYTES)
        topic = head[2 : 2 + int.from_bytes(head[:2])]
        return f" on {topic.decode(errors='replace')!a}" if topic else ""

    def _packet_handle(self) -> MQTTErrorCode:
        command = self._in_packet["command"]
        kind = command & _TYPE
        if not self.is_connected() and kind not in {MessageType.CONNACK, MessageType.DISCONNECT}:
            self.misdeed = "speaks before it has accepted the connection: check that mqtt.port is a broker's"
        elif kind == MessageType.PUBLISH and command & _MORE_THAN_QOS_1:
            self.misdeed = "sends with a QoS above 1, which nobody asked for: ask its operator"
        elif len(self._out_packet) > _MAX_OWED:
            self.misdeed = "sends and reads no answers: ask its operator"
        else:
            return super()._packet_handle()
        return MQTTErrorCode.MQTT_ERR_PROTOCOL
