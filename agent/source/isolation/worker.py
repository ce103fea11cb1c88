"""The camera process: holds one camera, does what the agent says, and can be killed at any moment.

Its only argument is the number of its end's descriptor. A driver or a network library that blocks
for ever blocks only this process. It imports neither the configuration reader nor any stage, to stay small.
"""

from __future__ import annotations

import re
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.errors import CameraError, ConfigError
from agent.host import Needs, confine, die_with_parent, harden, load_opencv, prefer_as_victim
from agent.settings import AddressKind, parse_address
from agent.source.cameras import (
    FormatMemory,
    GStreamerCamera,
    OpenCvCamera,
    Picamera2Camera,
    Picamera2Settings,
    prepare_gstreamer,
)
from agent.source.isolation import messages
from agent.source.isolation.slots import SlotLayout, SlotWriter
from agent.source.isolation.wire import PeerGoneError, Wire
from agent.source.rest import Rest

if TYPE_CHECKING:
    from agent.frame import Frame

CAMERA_DATA_BYTES: Final = 224 << 20
"""Private memory of a camera process: 12 megapixels in the costliest encoding, or H.264 in 4K."""
PIPELINE_DATA_BYTES: Final = 512 << 20
"""A pipeline has a thread, and a stack, for each of its elements that work apart."""
AnyCamera = Picamera2Camera | GStreamerCamera | OpenCvCamera


def make_camera(
    setup: messages.Setup, login: str, buffers: SlotWriter, rest: Rest, memory: FormatMemory
) -> AnyCamera:
    """Build the camera that is to be held; it loads its library when it is opened."""
    name, settings = setup.name, setup.settings
    if isinstance(settings, Picamera2Settings):
        return Picamera2Camera(name, settings, buffers, rest)
    if parse_address(settings.device).kind is AddressKind.GSTREAMER:
        return GStreamerCamera(name, settings, buffers, rest, login=login)
    return OpenCvCamera(name, settings, buffers, rest, login=login, memory=memory)


class Worker:
    """Obeys ``Open`` and ``Close``, and streams in between."""

    def __init__(self, wire: Wire, setup: messages.Setup) -> None:
        self._wire = wire
        self._setup = setup
        self._buffers = SlotWriter(self._memory_for)
        self._rest = Rest(self._listen)
        self._close_ordered = False
        self._memory = FormatMemory(setup.chosen)
        self._is_confined = False

    def serve(self) -> None:
        """Run until the agent closes its end.

        Raises:
            PeerGoneError: It did.
        """
        while True:
            packet = self._wire.receive(None)
            match packet and packet.message:
                case messages.Open(login):
                    self._stream(make_camera(self._setup, login, self._buffers, self._rest, self._memory))
                case messages.Close():
                    self._wire.send(messages.Closed())

    def _stream(self, camera: AnyCamera) -> None:
        try:
            self._give_up_privileges()
            camera.open()
            self._wire.send(messages.Opened(self._memory.chosen))
            self._listen()
            while not self._close_ordered:
                self._deliver(camera.read())
                self._listen()
        except ConfigError as error:
            self._wire.send(messages.Failed(for_good=True, text=str(error)))
        except CameraError as error:
            self._wire.send(messages.Failed(for_good=False, text=str(error)))
        except PeerGoneError:
            raise
        except Exception as error:  # noqa: BLE001 - a library's, whose text may quote the address
            text = f"sources.{self._setup.name}: {type(error).__name__} in the camera process; it is reopened"
            self._wire.send(messages.Failed(for_good=False, text=text))
        finally:
            if self._close_ordered:
                self._wire.send(messages.Closed())
            self._close_ordered = False
            self._rest.until(0.0)
            camera.close()
            self._buffers.close()

    def _give_up_privileges(self) -> None:
        """Before the first byte comes from outside, and once what is needed for reading them is loaded."""
        if self._is_confined:
            return
        self._is_confined = True
        settings = self._setup.settings
        if isinstance(settings, Picamera2Settings):
            # Raw pictures of the box's own sensor; libcamera starts programs and makes memory files.
            confine(Needs(data_bytes=None, devices=True, reads=None))
            return
        address = parse_address(settings.device)
        if address.kind is AddressKind.GSTREAMER:
            prepare_gstreamer(self._setup.name)
            # The files that it names itself, such as a network's configuration.
            named = tuple(re.findall(r"(?<==)\"?(?:file://)?(/[^\s\"']+)", address.target))
            confine(Needs(data_bytes=PIPELINE_DATA_BYTES, devices=True, reads=named))
            return
        load_opencv()
        is_device = address.kind is AddressKind.V4L2
        folder = (str(Path(address.target).parent),) if is_device else ()
        confine(Needs(data_bytes=CAMERA_DATA_BYTES, devices=is_device, reads=folder))

    def _deliver(self, frame: Frame) -> None:
        handed_over = self._buffers.hand_over()
        if handed_over is not None:
            self._wire.send(messages.Delivered(*handed_over, frame.captured_at_s))

    def _listen(self) -> None:
        """Take in the orders that have come. Also called while a frame waits to be decoded."""
        while not self._close_ordered and (packet := self._wire.receive(0.0)) is not None:
            self._obey(packet.message)

    def _memory_for(self, layout: SlotLayout) -> int:
        self._wire.send(layout)
        while (packet := self._wire.receive(None)) is None or packet.descriptor is None:
            if packet is not None:
                self._obey(packet.message)
        return packet.descriptor

    def _obey(self, order: messages.Order | messages.Answer) -> None:
        match order:
            case messages.Reuse(generation, slot):
                self._buffers.take_back(generation, slot)
            case messages.RestUntil(at_s):
                self._rest.until(at_s)
            case _:
                self._close_ordered = True
                self._rest.until(0.0)


def main() -> None:
    """Entry point of the process."""
    # The agent decides when this process ends; it also gets the terminal's Ctrl-C and systemd's SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # Should the agent be killed while a driver blocks here.
    die_with_parent()
    prefer_as_victim()
    harden()
    try:
        wire = Wire(socket.socket(fileno=int(sys.argv[1])))
        packet = wire.receive(None)
        if packet is not None and isinstance(packet.message, messages.Setup):
            Worker(wire, packet.message).serve()
    except PeerGoneError:
        return


if __name__ == "__main__":
    main()
