"""What ``mosquitto_sub -v`` shows of one short session.

``python -m tests.support.transcript_mqtt [--write]`` prints it. With ``--write`` it replaces the block
between the transcript markers of ``agent/docs/mqtt.md``, and of the README where it has them.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from agent.publisher.thread import Publisher
from agent.settings import MqttSettings
from tests.support.message_samples import IDENTITY, SUPPRESSED, birth, disclosure, health, window
from tests.support.mosquitto_fixtures import Broker
from tests.support.places import ROOT
from tests.support.waiting import wait_until

PLACES: Final = (ROOT / "agent" / "docs" / "mqtt.md", ROOT / "README.md")
BEGIN: Final = "<!-- transcript: python -m tests.support.transcript_mqtt --write -->\n"
END: Final = "<!-- end of transcript -->\n"
_MESSAGES: Final = 6
_LIMIT_S: Final = 20.0


def transcript() -> str:
    """Lines of ``topic payload`` from a real broker."""
    with tempfile.TemporaryDirectory() as folder, Broker(Path(folder)) as broker:
        place = ["-h", broker.host, "-p", str(broker.port)]
        subscriber = subprocess.Popen(
            ["mosquitto_sub", *place, "-v", "-q", "1", "-C", str(_MESSAGES), "-t", "emotion-agent/#"],
            stdout=subprocess.PIPE,
            text=True,
        )
        wait_until(lambda: "SUBSCRIBE" in broker.log, "mosquitto_sub to subscribe")
        publisher = Publisher(MqttSettings(host=broker.host, port=broker.port), IDENTITY, birth())
        publisher.start()
        wait_until(lambda: publisher.status().connected, "the publisher to connect")
        publisher.publish_counts(window(0, length_s=300.0), disclosure(12))
        publisher.publish_counts(window(1, length_s=300.0), SUPPRESSED)
        # Health waits for nothing: it would come between the windows on a busy machine.
        wait_until(lambda: publisher.status().queue_depth == 0, "the broker to take the windows")
        publisher.publish_health(health())
        publisher.stop()
        text, _ = subscriber.communicate(timeout=_LIMIT_S)
    return text


def with_block(text: str, block: str) -> str:
    """``text`` with ``block`` as code between the markers; unchanged where it has none."""
    if BEGIN not in text or END not in text:
        return text
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}```\n{block}```\n{END}{tail}"


def main() -> None:
    """See the module."""
    block = transcript()
    sys.stdout.write(block)
    if "--write" in sys.argv:
        for place in PLACES:
            if place.exists():
                place.write_text(with_block(place.read_text(encoding="utf-8"), block), encoding="utf-8")


if __name__ == "__main__":
    main()
