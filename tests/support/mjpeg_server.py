"""A camera's HTTP MJPEG stream on loopback, with the faults such streams have."""

from __future__ import annotations

import base64
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

import cv2

from tests.support.clips import numbered_picture
from tests.support.waiting import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

BOUNDARY = "frame"


@dataclass
class StreamPlan:
    """What the server does with each client."""

    frames: int | None = None
    """Close the connection after this many; None goes on for ever."""
    stall_after: int | None = None
    """Stay connected but send nothing more after this many."""
    broken_boundary_at: int | None = None
    """Send rubbish instead of one part's boundary and headers."""
    garbled: frozenset[int] | set[int] = frozenset()
    """Numbers of the parts that hold no picture though they say so."""
    login: str | None = None
    """Demand this ``user:password``."""
    raw: Callable[[], Iterator[bytes]] | None = None
    """Instead of pictures, after the stream's head: whatever an attacker sends."""
    interval_s: float = 0.02
    allowed: threading.Semaphore | None = None
    """Send a part only when this lets it."""


class MjpegServer:
    """Serves numbered pictures at ``url`` until closed."""

    def __init__(self, plan: StreamPlan, port: int = 0) -> None:
        self.plan = plan
        self.stop = threading.Event()
        self.clients = 0
        self.sent = 0
        """Parts, to all clients together."""
        owner = self

        class Handler(BaseHTTPRequestHandler):
            timeout = DEADLINE_S

            def do_GET(self) -> None:
                owner.serve(self)

            def log_message(self, *_args: object) -> None:
                """Keep the test's output clean."""

        self._http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._http.daemon_threads = False  # waited for at the end
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        """Port on loopback."""
        return int(self._http.server_address[1])

    @property
    def url(self) -> str:
        """Address of the stream."""
        return f"http://127.0.0.1:{self.port}/stream.mjpg"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop.set()
        self._http.shutdown()
        self._http.server_close()

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        """Send one client its stream."""
        plan = self.plan
        if plan.login is not None:
            wanted = "Basic " + base64.b64encode(plan.login.encode()).decode()
            if request.headers.get("Authorization") != wanted:
                request.send_response(401)
                request.send_header("WWW-Authenticate", 'Basic realm="camera"')
                request.end_headers()
                return
        self.clients += 1
        request.send_response(200)
        request.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY}")
        request.end_headers()
        number = 0
        try:
            for chunk in plan.raw() if plan.raw else ():
                request.wfile.write(chunk)
                if self.stop.is_set():
                    return
            while not self.stop.is_set() and (plan.frames is None or number < plan.frames):
                if plan.stall_after is not None and number >= plan.stall_after:
                    self.stop.wait(0.05)
                    continue
                if plan.allowed is not None and not plan.allowed.acquire(timeout=0.05):
                    continue
                request.wfile.write(self._part(number))
                number += 1
                self.sent += 1
                self.stop.wait(plan.interval_s)
        except OSError:
            pass  # the client went away

    def _part(self, number: int) -> bytes:
        encoded, jpeg = cv2.imencode(".jpg", numbered_picture(number % 30))
        assert encoded
        if number == self.plan.broken_boundary_at:
            return b"\r\n--fr#me!\r\nContent-Ty\x00\xff\r\n" + jpeg.tobytes()[::-1]
        if number in self.plan.garbled:
            jpeg = jpeg[:2]
        head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
        return head.encode() + jpeg.tobytes() + b"\r\n"
