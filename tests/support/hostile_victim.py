"""A publisher or a reader of the fleet, at the mercy of a broker, until it is killed.

``python -m tests.support.hostile_victim publisher|reader PORT PROTOCOL``
"""

from __future__ import annotations

import functools
import itertools
import logging
import os
import sys
import time
from pathlib import Path

from agent.commands.watch.terminal import watch
from agent.fleet import reader
from agent.mqtt.backoff import Backoff
from agent.publisher.thread import Publisher
from agent.settings import HomeAssistantSettings, MqttSettings
from tests.support.message_samples import IDENTITY, birth, disclosure, window


def main() -> None:
    """See the module."""
    what, port, protocol = sys.argv[1:]
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    settings = MqttSettings(host="127.0.0.1", port=int(port), protocol=protocol, keepalive_s=5)
    quick = functools.partial(Backoff, first_s=0.05, cap_s=0.2, floor_s=0.02)
    if what == "reader":
        reader.Backoff = quick  # type: ignore[attr-defined,assignment]
        with Path(os.devnull).open("w") as nowhere:
            watch(settings, as_json=True, output=nowhere)
        return
    publisher = Publisher(
        settings,
        IDENTITY,
        birth(),
        homeassistant=HomeAssistantSettings(discovery=True),
        backoff=quick(),
    )
    publisher.start()
    for seq in itertools.count():
        publisher.publish_counts(window(seq), disclosure())
        time.sleep(0.2)
        while publisher.status().queue_depth > 10:
            time.sleep(0.05)


if __name__ == "__main__":
    main()
