"""A real RTSP server on loopback, run by the system's Python because GStreamer's bindings live there.

As a program: ``python3 rtsp_server.py PORT WIDTH HEIGHT FRAMES LOGIN`` serves ``/stream`` in H.264, with
FRAMES 0 for an endless stream and LOGIN ``-`` for nobody's name, and prints ``ready``.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

SYSTEM_PYTHON = "/usr/bin/python3"
START_S = 20.0


@cache
def missing_parts() -> str:
    """Why no server can run here; empty when one can."""
    if shutil.which(SYSTEM_PYTHON) is None:
        return f"there is no {SYSTEM_PYTHON}"
    probe = (
        "import gi; gi.require_version('GstRtspServer', '1.0');"
        "from gi.repository import Gst; Gst.init(None);"
        "import sys; sys.exit(0 if Gst.ElementFactory.find('x264enc') else 1)"
    )
    done = subprocess.run([SYSTEM_PYTHON, "-c", probe], check=False, capture_output=True, timeout=60.0)
    if done.returncode == 0:
        return ""
    return "needs apt install python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-ugly"


class RtspServer:
    """One server process at a fixed address, which can be stopped, killed, frozen and started again.

    Skips the calling test where none can run.
    """

    def __init__(
        self, *, width_px: int = 320, height_px: int = 240, frames: int = 0, login: str | None = None
    ) -> None:
        import pytest  # noqa: PLC0415 - the system's Python does not have it

        from tests.support.ports import free_port  # noqa: PLC0415 - nor does it find this

        if reason := missing_parts():
            pytest.skip(reason)
        self.port = free_port()
        self.width_px = width_px
        self.height_px = height_px
        self.frames = frames
        self.login = login
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Address of the stream."""
        return f"rtsp://127.0.0.1:{self.port}/stream"

    def start(self) -> None:
        """Start serving; returns when clients may come."""
        values = (self.port, self.width_px, self.height_px, self.frames, self.login or "-")
        self._process = subprocess.Popen(
            [SYSTEM_PYTHON, __file__, *map(str, values)],
            stdout=subprocess.PIPE,
            # The virtual environment's packages are not the system's.
            env={key: value for key, value in os.environ.items() if not key.startswith("PYTHON")},
        )
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], START_S)
        assert ready, "the RTSP server did not start in time"
        assert self._process.stdout.readline() == b"ready\n"

    def kill(self) -> None:
        """End the server without a goodbye."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None

    def freeze(self) -> None:
        """Stay connected and say nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on after :meth:`freeze`."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.kill()


def serve(port: str, width: str, height: str, frames: str, login: str) -> None:
    """The program: runs until killed."""
    import gi  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415 - the system's Python has it

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = GstRtspServer.RTSPMediaFactory()
    limit = f"num-buffers={frames}" if frames != "0" else ""
    factory.set_launch(
        f"( videotestsrc is-live=true pattern=ball {limit} ! "
        f"video/x-raw,width={width},height={height},framerate=15/1 ! "
        "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=5 ! rtph264pay name=pay0 pt=96 )"
    )
    factory.set_shared(True)
    if login != "-":
        user, password = login.split(":")
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "viewer")
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
        server.set_auth(auth)
        allowed = True
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role("viewer", "media.factory.access", allowed)
        permissions.add_permission_for_role("viewer", "media.factory.construct", allowed)
        factory.set_permissions(permissions)
    server.get_mount_points().add_factory("/stream", factory)
    server.attach(None)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


if __name__ == "__main__":
    serve(*sys.argv[1:])
