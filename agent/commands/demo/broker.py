"""An embedded MQTT broker on a free loopback port, for machines that have none."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from typing import Self

from agent.errors import BrokerError

START_TIMEOUT_S = 15.0


class EmbeddedBroker:
    """amqtt in a thread of its own; it speaks MQTT 3.1.1 and accepts everybody on this machine."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._serve, name="demo-broker", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._started.wait(START_TIMEOUT_S) or self._failure is not None:
            raise BrokerError(f"the embedded broker did not start on port {self.port}: {self._failure}")
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop may be gone already
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(START_TIMEOUT_S)

    def _serve(self) -> None:
        try:
            self._loop.run_until_complete(self._run())
        except Exception as error:  # noqa: BLE001 - the thread's top; the waiting caller reports it
            self._failure = error
        finally:
            self._started.set()
            self._loop.close()

    async def _run(self) -> None:
        from amqtt.broker import Broker  # noqa: PLC0415 - an optional dependency of the demo only

        logging.getLogger("amqtt").setLevel(logging.ERROR)
        logging.getLogger("transitions").setLevel(logging.ERROR)
        broker = Broker(
            {
                "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{self.port}"}},
                "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
            },
        )
        await broker.start()
        self._started.set()
        await self._stop.wait()
        await broker.shutdown()
