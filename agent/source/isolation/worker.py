"""The camera process: holds one camera, does what the agent says, and can be killed at any moment.

Started as ``python -m agent.source.isolation.worker DESCRIPTOR``. A driver or a network library that blocks
for ever blocks only this process. It imports neither the configuration reader nor any stage, to stay small.
"""

from __future__ import annotations

import ctypes
import signal
import socket
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from agent.errors import CameraError, ConfigError
from agent.host import harden
from agent.source.cameras import AddressKind, FormatMemory, parse_address
from agent.source.isolation.slots import SlotWriter
from agent.source.isolation.wire import PeerGoneError, Wire
from agent.source.rest import Rest

if TYPE_CHECKING:
    from agent.frame import Frame
    from agent.settings import OpenCvSource, Picamera2Source
    from agent.source.isolation.slots import SlotLayout

_PR_SET_PDEATHSIG: Final = 1
"""From linux/prctl.h; see prctl(2)."""


class Camera(Protocol):
    """What the process drives."""

    def open(self) -> None:
        """Get ready to deliver."""

    def read(self) -> Frame:
        """Block until the next frame."""

    def close(self) -> None:
        """Release the device."""


def make_camera(
    name: str, settings: dict[str, Any], buffers: SlotWriter, rest: Rest, memory: FormatMemory
) -> Camera:
    """Build the camera of a settings table that arrived as plain values."""
    table = SimpleNamespace(**settings)
    if table.type == "picamera2":
        from agent.source.cameras import Picamera2Camera  # noqa: PLC0415 - only what is used is loaded

        return Picamera2Camera(name, cast("Picamera2Source", table), buffers, rest)
    if parse_address(table.device).kind is AddressKind.GSTREAMER:
        from agent.source.cameras import GStreamerCamera  # noqa: PLC0415 - only what is used is loaded

        return GStreamerCamera(name, cast("OpenCvSource", table), buffers, rest)
    from agent.source.cameras import OpenCvCamera  # noqa: PLC0415 - only what is used is loaded

    if table.credentials_file is not None:
        table.credentials_file = Path(table.credentials_file)
    return OpenCvCamera(name, cast("OpenCvSource", table), buffers, rest, memory=memory)


class Worker:
    """Obeys ``open`` and ``close``, and streams in between."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._buffers = SlotWriter(self._announce)
        self._rest = Rest(self._listen)
        self._close_ordered = False
        setup = self._next_order()
        self._memory = FormatMemory(setup["memory"])
        self._camera = make_camera(setup["name"], setup["settings"], self._buffers, self._rest, self._memory)

    def serve(self) -> None:
        """Run until the agent closes its end.

        Raises:
            PeerGoneError: It did.
        """
        while True:
            order = self._next_order()
            if order["do"] == "open":
                self._stream()
            elif order["do"] == "close":
                self._wire.send({"say": "closed"})

    def _stream(self) -> None:
        try:
            self._camera.open()
            self._wire.send({"say": "opened", "memory": self._memory.to_message()})
            self._listen()
            while not self._close_ordered:
                self._deliver(self._camera.read())
                self._listen()
        except ConfigError as error:
            self._wire.send({"say": "failed", "for_good": True, "text": str(error)})
        except CameraError as error:
            self._wire.send({"say": "failed", "for_good": False, "text": str(error)})
        finally:
            if self._close_ordered:
                self._wire.send({"say": "closed"})
            self._close_ordered = False
            self._rest.until(0.0)
            self._camera.close()
            self._buffers.close()

    def _deliver(self, frame: Frame) -> None:
        handed_over = self._buffers.hand_over()
        if handed_over is not None:
            generation, slot = handed_over
            message = {"say": "frame", "generation": generation, "slot": slot, "at_s": frame.captured_at_s}
            self._wire.send(message)

    def _listen(self) -> None:
        """Take in the orders that have come. Also called while a frame waits to be decoded."""
        while not self._close_ordered and (packet := self._wire.receive(0.0)) is not None:
            order = packet.body
            if order["do"] == "reuse":
                self._buffers.take_back(order["generation"], order["slot"])
            elif order["do"] == "rest":
                self._rest.until(order["until_s"])
            else:
                self._close_ordered = True
                self._rest.until(0.0)

    def _announce(self, layout: SlotLayout, descriptor: int) -> None:
        self._wire.send({"say": "layout", **layout.to_message()}, descriptor)

    def _next_order(self) -> dict[str, Any]:
        packet = self._wire.receive(None)
        return {} if packet is None else packet.body


def main() -> None:
    """Entry point of the process."""
    # The agent decides when this process ends; it also gets the terminal's Ctrl-C and systemd's SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # Should the agent be killed while a driver blocks here, the kernel ends this process too.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    harden()
    try:
        Worker(Wire(socket.socket(fileno=int(sys.argv[1])))).serve()
    except PeerGoneError:
        return


if __name__ == "__main__":
    main()
