"""The ways in. Each function draws one hostile input from ``chance`` and fails if it does harm.

Harm is a traceback, a number that is not what was counted, a queue that stands still, a line that steers a
terminal. To be refused in a sentence is none.
"""

from __future__ import annotations

import json
import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.commands.provision import provision
from agent.contract import topics
from agent.errors import AgentError, BrokerError, ModelError
from agent.fleet import FleetView
from agent.inference.bundle import Bundle
from agent.inference.bundle.place import default_bundle_folder
from agent.mqtt import BrokerLink
from agent.settings import MqttSettings
from agent.source.isolation.messages import Closed, Delivered, Failed, Opened, to_json
from agent.source.isolation.slots import SlotLayout
from agent.source.isolation.wire import PeerGoneError, Wire
from models.importing.network import import_network
from models.importing.request import ImportRequest
from tests.support.damage import Verdict, fill, sample, try_one
from tests.support.hostile_broker import framed
from tests.support.hostile_settings import BASE, damaged, read_many_here, run_many
from tests.support.message_samples import CROSSINGS, IDENTITY, PEOPLE, birth, day, health, message_of
from tests.support.mutation import mutated_bytes, mutated_manifest, mutated_onnx
from tests.support.user_networks import Export, write_export

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random


def configuration(chance: Random, _folder: Path) -> None:
    """Configuration file, the files it names, and the environment, read as every command reads them."""
    assert not read_many_here(chance, 1).tracebacks


def command_line(chance: Random, _folder: Path) -> None:
    """The same by the command itself, with its arguments."""
    assert not run_many(chance, 1).tracebacks


def queue_file(chance: Random, folder: Path) -> None:
    """A queue file that was changed on disk: nothing altered is sent, nothing stands still."""
    fill(folder / "master")
    verdict = Verdict()
    try_one(chance, folder / "master", folder, verdict)
    harm = verdict.altered + verdict.repeated + verdict.silent + verdict.blocked
    assert harm == 0, verdict


def camera_process(chance: Random, _folder: Path) -> None:
    """What a camera process that was taken over says: a message, or the end of that process."""
    good = (Opened(None), SlotLayout(1, 480, 640), Delivered(1, 0, 12.5), Failed(for_good=False, text="no"))
    wire, theirs = Wire.pair()
    with theirs:
        theirs.send(mutated_bytes(to_json(chance.choice((*good, Closed()))), chance) or b"{")
        with suppress(PeerGoneError):
            wire.receive(1.0)
    wire.close()


def broker(chance: Random, _folder: Path) -> None:
    """What a broker says after CONNECT and SUBSCRIBE: the link holds, or ends with a reason."""
    accepted = framed(0x20, b"\0\0\0")
    good = (
        framed(0x90, b"\0\x01\0\x01"),
        framed(0x30, b"\0\x14homeassistant/status\0online"),
        framed(0x40, b"\0\x01\x10\0"),
        framed(0xE0, b"\x8b\0"),
        framed(0xD0, b""),
    )
    said = mutated_bytes(b"".join(chance.choices(good, k=chance.randrange(1, 6))), chance)
    if chance.random() < 0.2:
        accepted = mutated_bytes(accepted, chance)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=_say, args=(listener, accepted + said), daemon=True)
        server.start()
        link = BrokerLink(MqttSettings(host="127.0.0.1", port=listener.getsockname()[1]), "fuzz")
        with suppress(BrokerError):
            link.open()
            link.subscribe("#")
            while link.alive:
                link.step(0.5)
            assert link.end_reason
        link.close()
        server.join(10.0)


def _say(listener: socket.socket, words: bytes) -> None:
    with suppress(OSError):
        near, _ = listener.accept()
        with near:
            near.recv(65_536)
            near.sendall(words)
            near.shutdown(socket.SHUT_WR)
            while near.recv(65_536):
                pass


def watch(chance: Random, _folder: Path) -> None:
    """What any client may publish under the root: told or not, nothing of it breaks the view or the table."""
    view = FleetView()
    samples = {
        topics.counts_topic(IDENTITY, "door"): sample(3).message.payload(),
        topics.window_topic(IDENTITY, "day", "door"): day().payload(),
        topics.window_topic(IDENTITY, "people", "hall"): message_of(PEOPLE).payload(),
        topics.window_topic(IDENTITY, "crossings", "way"): message_of(CROSSINGS).payload(),
        topics.birth_topic(IDENTITY): birth().payload(),
        topics.health_topic(IDENTITY): health().payload(),
        topics.availability_topic(IDENTITY): b"online",
    }
    for number in range(20):
        topic, payload = chance.choice(tuple(samples.items()))
        told = view.feed(topic, mutated_bytes(payload, chance), float(number))
        if told is not None:
            json.dumps(told.message, allow_nan=False)
    assert len(list(view.rows())) <= len(view.devices) * 5


def manifest(chance: Random, folder: Path) -> None:
    """A bundle's list of networks."""
    shipped = (default_bundle_folder() / "manifest.toml").read_bytes()
    (folder / "manifest.toml").write_bytes(mutated_manifest(shipped, chance))
    with suppress(ModelError):
        Bundle.load(folder)


def network(chance: Random, folder: Path) -> None:
    """A user's network at import: brought, or refused and nothing of it left."""
    good = write_export(folder / "user.onnx", Export("v8")).read_bytes()
    (folder / "user.onnx").write_bytes(mutated_onnx(good, chance))
    request = ImportRequest(folder / "user.onnx", name="mine", bundle=folder / "bundle")
    refused = False
    try:
        import_network(request, lambda _: None)
    except AgentError:
        refused = True
    assert (folder / "bundle").exists() != refused


def boot_file(chance: Random, folder: Path) -> None:
    """The file on the boot partition, which whoever holds the card can write."""
    given, into = folder / "emotion-agent.toml", folder / "into"
    into.mkdir()
    text = BASE + '\n[provision]\nmqtt_password = "canary"\n'
    for _ in range(chance.randrange(4)):
        text = damaged(chance, text)
    given.write_bytes(text.encode("utf-8", "surrogateescape"))
    with suppress(AgentError):
        provision(given, into=into)
        if (into / "mqtt-password").exists():
            assert "canary" not in (into / "config.toml").read_text(encoding="utf-8")


TARGETS: Final[dict[str, Callable[[Random, Path], None]]] = {
    target.__name__: target
    for target in (
        configuration, command_line, queue_file, camera_process, broker, watch, manifest, network, boot_file,
    )
}  # fmt: skip
