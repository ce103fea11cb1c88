"""A live camera in a process of its own, which is killed when it falls silent or doesn't obey."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeVar

from agent.errors import CameraError, ConfigError, SourceEnded
from agent.frame import Frame
from agent.host import python_child
from agent.settings import OpenCvSource, Picamera2Source
from agent.source.cameras import OpenCvSettings, Picamera2Settings, read_login
from agent.source.isolation import messages
from agent.source.isolation.slots import SLOTS, SlotLayout, SlotReader
from agent.source.isolation.wire import PeerGoneError, Wire

logger = logging.getLogger(__name__)

WORKER: Final = "agent.source.isolation.worker"
_LOOK_UP_S: Final = 0.2
"""While a camera is silent, the stop event is looked at this often."""
_GRACE_S: Final = 1.0
"""The libraries have timeouts of their own; a kill comes only after they had their chance."""
_START_S: Final = 10.0
"""A fresh process on a slow board loads its libraries for this long at most."""
_CLOSE_S: Final = 1.0
"""A camera that doesn't close in this time is killed."""
_LONGEST_REASON: Final = 400
"""In characters; the process may have been taken over by what it decodes."""
_REAP_S: Final = 1.0
"""A process stuck inside the kernel can't even be killed; it is left behind after this."""
_INHERITED: Final = (
    "HOME", "LANG", "LC_", "LD_LIBRARY_PATH", "LD_PRELOAD", "TZ", "GST_PLUGIN", "GST_REGISTRY", "LIBCAMERA_",
    "LIBV4L",
)  # fmt: skip
"""First letters of the variables that its libraries need; the others are no business of theirs."""

Told = TypeVar("Told", messages.Opened, messages.Delivered)


class IsolatedCamera:
    """Runs an OpenCV or CSI camera in a child process and takes its frames over through shared memory."""

    every_frame: Final = False
    """A live camera's old frames are worth nothing."""

    def __init__(
        self,
        name: str,
        settings: OpenCvSource | Picamera2Source,
        stop: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._clock = clock
        self._stall_timeout_s = settings.stall_timeout_s
        self._stop = stop
        self._credentials_file = settings.credentials_file if isinstance(settings, OpenCvSource) else None
        self._process: subprocess.Popen[bytes] | None = None
        self._wire: Wire | None = None
        self._pictures: SlotReader | None = None
        plain = OpenCvSettings if isinstance(settings, OpenCvSource) else Picamera2Settings
        self._setup = messages.Setup(name, plain.of(settings), chosen=None)
        self._index = 0

    @property
    def process_id(self) -> int | None:
        """Of the camera process; None while there is none."""
        return None if self._process is None else self._process.pid

    def open(self) -> None:
        """Open the camera in its process, which is started when there is none.

        Raises:
            CameraError: The camera is absent, busy or doesn't answer.
            ConfigError: It can never be opened as configured.
        """
        login = "" if self._credentials_file is None else read_login(self._credentials_file)
        patience_s = self._stall_timeout_s + _GRACE_S
        if self._process is None:
            self._start()
            patience_s += _START_S
        self._order(messages.Open(login))
        self._setup = replace(self._setup, chosen=self._await(messages.Opened, patience_s).chosen)

    def read(self) -> Frame:
        """Block until the next frame, at most ``stall_timeout_s`` and a second of grace.

        Raises:
            CameraError: None came, or the process died.
        """
        told = self._await(messages.Delivered, self._stall_timeout_s + _GRACE_S)
        while self._pictures is None or told.generation != self._pictures.generation:
            told = self._await(messages.Delivered, self._stall_timeout_s + _GRACE_S)
        if not (0 <= told.slot < SLOTS and 0.0 <= told.at_s <= time.monotonic()):
            raise self._died()
        frame = Frame(self._pictures.lend(told.slot), told.at_s, self._name, self._index)
        self._index += 1
        return frame

    def rest(self, until_s: float) -> None:
        """Let the process pass frames over before decoding; see :class:`agent.source.seam.FrameSource`.

        Raises:
            CameraError: The process died.
        """
        self._order(messages.RestUntil(until_s))

    def close(self) -> None:
        """Close the camera; when the agent is stopping, or the process doesn't answer, end the process."""
        if self._process is not None:
            if self._stop.is_set():
                self._kill()
            else:
                self._close_camera()
        if self._pictures is not None:
            self._pictures.retire()
            self._pictures = None

    def _start(self) -> None:
        self._wire, theirs = Wire.pair()
        try:
            with theirs:
                self._process = python_child(
                    WORKER,
                    str(theirs.fileno()),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    # The libraries print what a camera sends, and addresses with their passwords.
                    stderr=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    # Decoding is one thread's work here; idle BLAS threads would only cost memory.
                    env={"OPENBLAS_NUM_THREADS": "1"},
                    inherits=_INHERITED,
                )
        except OSError as error:
            self._kill()
            raise CameraError(f"sources.{self._name}: no camera process can be started ({error})") from error
        self._order(self._setup)

    def _order(self, order: messages.Order) -> None:
        if self._wire is None:
            raise self._died()
        try:
            self._wire.send(order)
        except PeerGoneError as error:
            raise self._died() from error

    def _await(self, wanted: type[Told], patience_s: float) -> Told:
        deadline_s = self._clock() + patience_s
        while (left_s := deadline_s - self._clock()) > 0.0:
            if self._stop.is_set():
                raise SourceEnded(f"sources.{self._name}: stopped; start the agent to go on")
            message = self._receive(min(left_s, _LOOK_UP_S))
            if isinstance(message, messages.Failed):
                words = "".join(filter(str.isprintable, message.text))[:_LONGEST_REASON]
                raise (ConfigError if message.for_good else CameraError)(words)
            if isinstance(message, wanted):
                return message
        self._kill()
        raise CameraError(
            f"sources.{self._name}: the camera has not answered for {patience_s:.0f} s;"
            " check its cable and network, it is opened anew"
        )

    def _receive(self, timeout_s: float) -> messages.Order | messages.Answer | None:
        try:
            packet = None if self._wire is None else self._wire.receive(timeout_s)
        except PeerGoneError as error:
            raise self._died() from error
        if packet is None:
            return None
        if packet.descriptor is not None:
            os.close(packet.descriptor)  # none is asked for
        if isinstance(packet.message, SlotLayout):
            self._lay_out(packet.message)
        return packet.message

    def _lay_out(self, layout: SlotLayout) -> None:
        if self._pictures is not None:
            self._pictures.retire()
        wire = self._wire

        def hand_out(descriptor: int) -> None:
            if wire is not None:
                wire.send(layout, descriptor)

        def give_back(generation: int, slot: int) -> None:
            # Runs wherever a frame's last holder lets go, perhaps after the process has ended.
            with contextlib.suppress(PeerGoneError):
                if wire is not None:
                    wire.send(messages.Reuse(generation, slot))

        try:
            self._pictures = SlotReader(layout, hand_out, give_back)
        except (PeerGoneError, ValueError) as error:
            raise self._died() from error

    def _close_camera(self) -> None:
        try:
            self._order(messages.Close())
            deadline_s = self._clock() + _CLOSE_S
            while (left_s := deadline_s - self._clock()) > 0.0:
                if isinstance(self._receive(min(left_s, _LOOK_UP_S)), messages.Closed):
                    return
        except CameraError:
            return  # it died by itself, and _died has tidied up
        self._kill()

    def _died(self) -> CameraError:
        code = None if self._process is None else self._process.poll()
        self._kill()
        ended = "ended" if code is None else f"ended with code {code}"
        return CameraError(f"sources.{self._name}: the camera process {ended}; a new one is started")

    def _kill(self) -> None:
        process, self._process = self._process, None
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()
        if process is None:
            return
        process.kill()
        try:
            process.wait(_REAP_S)
        except subprocess.TimeoutExpired:
            logger.warning("source %s: camera process %d hangs in its driver", self._name, process.pid)
