"""What ``mosquitto_sub -v`` shows of one short session; ``python -m tests.transcript_mqtt [--write]``.

With ``--write`` it replaces the block between the transcript markers of ``agent/docs/mqtt.md``, and of the
README where it has them.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import paho.mqtt.publish

from agent.publisher import Publisher
from agent.settings import MqttSettings
from tests.message_samples import IDENTITY, SUPPRESSED, birth, disclosure, health, window
from tests.mosquitto_fixtures import Broker

ROOT: Final = Path(__file__).parent.parent
PLACES: Final = (ROOT / "agent" / "docs" / "mqtt.md", ROOT / "README.md")
BEGIN: Final = "<!-- transcript: python -m tests.transcript_mqtt --write -->\n"
END: Final = "<!-- end of transcript -->\n"
_END_TOPIC: Final = "end/of/transcript"


def transcript() -> str:
    """Lines of ``topic payload`` from a real broker."""
    with tempfile.TemporaryDirectory() as folder, Broker(Path(folder)) as broker:
        place = ["-h", broker.host, "-p", str(broker.port)]
        subscriber = subprocess.Popen(
            ["mosquitto_sub", *place, "-v", "-q", "1", "-t", "emotion-agent/#", "-t", _END_TOPIC],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert subscriber.stdout is not None
        while "SUBSCRIBE" not in broker.log:
            time.sleep(0.05)
        publisher = Publisher(MqttSettings(host=broker.host, port=broker.port), IDENTITY, birth())
        publisher.start()
        while not publisher.status().connected:
            time.sleep(0.05)
        publisher.publish_counts(window(0, length_s=300.0), disclosure(12))
        publisher.publish_counts(window(1, length_s=300.0), SUPPRESSED)
        publisher.publish_health(health())
        publisher.stop()
        paho.mqtt.publish.single(_END_TOPIC, "", 1, hostname=broker.host, port=broker.port)
        lines = list(iter(subscriber.stdout.readline, f"{_END_TOPIC} \n"))
        subscriber.terminate()
        subscriber.wait()
    return "".join(lines)


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
