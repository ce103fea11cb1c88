"""A broker that speaks enough MQTT to misbehave: one packet of its choice, in one way of its choice.

``python -m tests.support.hostile_broker`` lets it do everything to a publisher and to a reader, and prints
how much memory that cost them.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from tests.support.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

PACKETS: Final = ("connack", "publish", "publish1", "publish2", "suback", "puback", "pingresp", "disconnect")
WAYS: Final = (
    "oversize",
    "declared",
    "slow",
    "partial",
    "garbage",
    "never",
    "properties",
    "wrong_id",
    "flood",
)
_TYPES: Final = dict(zip(PACKETS, (0x20, 0x31, 0x33, 0x35, 0x90, 0x40, 0xD0, 0xE0), strict=True))
_SUBSCRIBE, _PUBLISH, _PINGREQ, _CONNECT = 0x80, 0x30, 0xC0, 0x10
OVERSIZE: Final = 200_000_000
LARGEST: Final = 131_000
"""Just what is still taken."""
TOPIC: Final = b"homeassistant/status"


@dataclass(frozen=True)
class Mode:
    """What it does; without a way it behaves."""

    packet: str = ""
    way: str = ""

    def __str__(self) -> str:
        return f"{self.packet} {self.way}".strip() or "good"


GOOD: Final = Mode()
MODES: Final = tuple(Mode(*each) for each in itertools.product(PACKETS, WAYS))


class HostileBroker:
    """Listens on ``port``; ``mode`` may change at any time and holds for what happens from then on."""

    def __init__(self) -> None:
        self.mode = GOOD
        self.connections = 0
        """CONNECTs so far."""
        self.subscriptions = 0
        self.taken = 0
        """PUBLISHes so far that were acknowledged."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        # Small, so that answers that it doesn't read are soon too many.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join(DEADLINE_S)
        self.cut()
        for thread in self._threads:
            thread.join(DEADLINE_S)
            assert not thread.is_alive(), "a thread of the hostile broker does not end"

    def behave(self) -> None:
        """End what is going on, and be good."""
        self.mode = GOOD
        self.cut()

    def cut(self) -> None:
        """End every connection."""
        for end in self._open[:]:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _start(self, target: Callable[..., None], *arguments: socket.socket) -> None:
        thread = threading.Thread(target=target, args=arguments, name="hostile", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._open.append(near)
                self._start(self._serve, near)

    def _serve(self, near: socket.socket) -> None:
        with contextlib.suppress(OSError), near, near.makefile("rb") as requests:
            _Conversation(self, near).hold(packets(requests.read))
        self._open.remove(near)


class _Conversation:
    """One connection."""

    def __init__(self, broker: HostileBroker, near: socket.socket) -> None:
        self._broker = broker
        self._near = near
        self._five = False

    def hold(self, requests: Iterator[tuple[int, bytes]]) -> None:
        """Answer until either side hangs up."""
        for first, body in requests:
            kind = first & 0xF0
            if kind == _CONNECT:
                self._five = body[6] == 5
                self._broker.connections += 1
                self._send("connack", b"\0\0" + self._no_properties())
            elif kind == _SUBSCRIBE:
                self._broker.subscriptions += 1
                filters = 1 if b"status" in body or b"#" in body else 2
                self._send("suback", body[:2] + self._no_properties() + b"\1" * filters)
            elif kind == _PUBLISH and first & 0x06:
                start = 2 + int.from_bytes(body[:2], "big")
                self._send("puback", body[start : start + 2])
                self._broker.taken += 1
            elif kind == _PINGREQ:
                self._send("pingresp", b"")
            if kind == _SUBSCRIBE or (
                kind == _CONNECT and self._broker.mode.packet in {"pingresp", "disconnect"}
            ):
                self._unasked(self._broker.mode.packet)

    def _unasked(self, packet: str) -> None:
        """What a broker may send at any time."""
        if packet.startswith("publish"):
            number = b"" if packet == "publish" else b"\0\7"
            self._send(
                packet, struct.pack("!H", len(TOPIC)) + TOPIC + number + self._no_properties() + b"online"
            )
        elif packet in {"pingresp", "disconnect"}:
            self._send(packet, b"")

    def _no_properties(self) -> bytes:
        return b"\0" if self._five else b""

    def _send(self, packet: str, body: bytes) -> None:
        mode, first = self._broker.mode, _TYPES[packet]
        if mode.packet != packet:
            self._near.sendall(framed(first, body))
        elif mode.way in {"slow", "flood"}:
            self._send_for_ever(mode, body)
        elif mode.way == "oversize":
            self._near.sendall(header(first, OVERSIZE) + body)
            for _ in range(OVERSIZE // 1_000_000):
                self._near.sendall(bytes(1_000_000))
        elif mode.way == "partial":
            self._near.sendall(framed(first, body)[:-1] or bytes([first]))
            self._near.shutdown(socket.SHUT_RDWR)
        else:
            self._near.sendall(
                {
                    "declared": header(first, 268_435_455) + body,
                    "garbage": framed(first, bytes(range(255, 0, -1)) * 500),
                    "never": b"",
                    "properties": framed(first, self._stuffed(body)),
                    "wrong_id": framed(first, b"\xab\xcd" + body[2:]),
                    "preceded": framed(_TYPES["publish"], b"\0\1a" + self._no_properties())
                    + framed(first, body),
                }[mode.way]
            )

    def _send_for_ever(self, mode: Mode, body: bytes) -> None:
        first = _TYPES[mode.packet]
        if mode.way == "slow":
            self._near.sendall(header(first, LARGEST) + body)
        number = 0
        while self._broker.mode == mode:
            number = number % 65_535 + 1
            if mode.way == "slow":
                self._near.sendall(b"x")
                time.sleep(0.01)
            else:
                self._near.sendall(framed(first, self._padded(mode.packet, body, number)))

    @staticmethod
    def _padded(packet: str, body: bytes, number: int) -> bytes:
        """Number so many of a flood: messages alternate between short ones and the longest there are."""
        if packet in {"publish1", "publish2"}:
            at = 2 + len(TOPIC)
            body = body[:at] + struct.pack("!H", number) + body[at + 2 :]
        long = packet in {"publish", "publish2"} and number % 2 == 0
        return body + bytes(LARGEST - 100) * long

    def _stuffed(self, body: bytes) -> bytes:
        """As many user properties as fit, of one letter each; before MQTT 5 they are rubbish."""
        pairs = b"\x26\0\1a\0\1b" * (LARGEST // 7 - 10)
        stuffing = length(len(pairs)) + pairs
        return (
            body.replace(self._no_properties() or b"online", stuffing, 1)
            if len(body) > 2
            else body + b"\0" + stuffing
        )


def length(number: int) -> bytes:
    """A variable byte integer."""
    out = bytearray()
    while True:
        number, low = divmod(number, 128)
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def header(first: int, size: int) -> bytes:
    """Of a packet of that size."""
    return bytes([first]) + length(size)


def framed(first: int, body: bytes) -> bytes:
    """A whole packet."""
    return header(first, len(body)) + body


def packets(read: Callable[[int], bytes]) -> Iterator[tuple[int, bytes]]:
    """First byte and body of each packet that a client sends."""
    while first := read(1):
        size, shift = 0, 0
        while True:
            byte = (read(1) or b"\0")[0]
            size, shift = size | (byte & 127) << shift, shift + 7
            if byte < 128:
                break
        yield first[0], read(size)


class Victim:
    """A publisher or a reader in a process of its own, connected to the broker."""

    def __init__(self, broker: HostileBroker, what: str, protocol: str) -> None:
        self._broker = broker
        child = [sys.executable, "-m", "tests.support.hostile_victim", what, str(broker.port), protocol]
        self._process = subprocess.Popen(child, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self._errors: list[str] = []
        self._reading = threading.Thread(target=self._read_errors)
        self._reading.start()
        self.recovers()
        self.idle_mb = self._peak_mb()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._reading.join()
        assert self._process.stderr is not None
        self._process.stderr.close()

    @property
    def errors(self) -> str:
        """What it has logged."""
        return "".join(self._errors)

    def grows_by_mb(self, mode: Mode, times: int, patience_s: float) -> float:
        """Its peak above that of the idle connection, treated like this so often or for so long."""
        Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")
        seen = self._broker.connections
        self._broker.mode = mode
        self._broker.cut()
        by_s = time.monotonic() + patience_s
        wait_until(
            lambda: self._broker.connections >= seen + times or time.monotonic() > by_s,
            "nothing",
            2 * patience_s + DEADLINE_S,
        )
        return self._peak_mb() - self.idle_mb

    def recovers(self) -> None:
        """Waits until it is subscribed again."""
        seen = self._broker.subscriptions
        self._broker.behave()
        wait_until(
            lambda: self._broker.subscriptions > seen,
            "the victim to come back",
            last_words=lambda: self.errors[-3000:],
        )

    def _peak_mb(self) -> float:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024.0

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        for row in self._process.stderr:
            self._errors.append(row.decode(errors="replace"))


def main() -> None:
    """Print one row for each mode, protocol and victim."""
    worst = 0.0
    for what, protocol in itertools.product(sys.argv[1:] or ("publisher", "reader"), ("3.1.1", "5")):
        with HostileBroker() as broker, Victim(broker, what, protocol) as victim:
            for mode in MODES:
                grown_mb = victim.grows_by_mb(mode, 3, 4.0)
                victim.recovers()
                worst = max(worst, grown_mb)
                print(f"{what} {protocol} {mode}: {grown_mb:+.1f} MB", flush=True)  # noqa: T201 - its output
            print(f"{what} {protocol} idle: {victim.idle_mb:.1f} MB", flush=True)  # noqa: T201
    print(f"worst: {worst:+.1f} MB")  # noqa: T201


if __name__ == "__main__":
    main()
