"""What goes over the wire to a camera process comes out as it went in, and nothing else does."""

from __future__ import annotations

import json

import pytest

from agent.settings import OpenCvSource, Picamera2Source
from agent.source.cameras import CameraMode, ChosenFormat, OpenCvSettings, Picamera2Settings
from agent.source.isolation.messages import (
    Answer,
    Close,
    Closed,
    Delivered,
    Failed,
    Open,
    Opened,
    Order,
    RestUntil,
    Reuse,
    Setup,
    from_json,
    to_json,
)
from agent.source.isolation.slots import SlotLayout
from agent.source.isolation.wire import PeerGoneError, Wire

CHOSEN = ChosenFormat("all of them", CameraMode("MJPG", 640, 480, 15.0))
STREAM = OpenCvSource.model_validate(
    {"type": "opencv", "device": "rtsp://camera/1", "credentials_file": "/etc/secret", "fps": 15}
)


@pytest.mark.parametrize(
    "message",
    [
        Setup("door", OpenCvSettings.of(STREAM), CHOSEN),
        Setup("door", OpenCvSettings.of(OpenCvSource(type="opencv", device=0)), None),
        Setup("door", Picamera2Settings.of(Picamera2Source(type="picamera2", camera=1)), None),
        Open("user:p:w"),
        Open(),
        Close(),
        RestUntil(12.5),
        RestUntil(12),
        Reuse(1, 2),
        Opened(CHOSEN),
        Opened(None),
        SlotLayout(1, 480, 640, 5),
        Delivered(1, 2, 12.5),
        Failed(for_good=True, text="“ä” and\nmore"),
        Closed(),
    ],
    ids=lambda message: type(message).__name__,
)
def test_every_message_comes_out_as_it_went_in(message: Order | Answer) -> None:
    assert from_json(to_json(message)) == message


@pytest.mark.parametrize(
    "nonsense",
    [
        {},
        "half a mess",
        [],
        None,
        {"is": "Eval", "text": "x"},
        {"is": "Closed", "more": 1},
        {"is": "Delivered", "generation": 1, "slot": "0", "at_s": 1.0},
        {"is": "Delivered", "generation": 1, "slot": 0, "at_s": None},
        {"is": "Delivered", "generation": 1, "slot": 0},
        {"is": "Opened", "chosen": {"is": "Closed"}},
        {"is": "CameraMode", "fourcc": "MJPG", "width_px": 1, "height_px": 1, "fps": 1.0},
    ],
)
def test_a_process_that_talks_nonsense_counts_as_gone(nonsense: object) -> None:
    """It may have been taken over by the stream that it decodes; a new one is started."""
    wire, theirs = Wire.pair()
    with theirs:
        theirs.send(json.dumps(nonsense).encode())
        with pytest.raises(PeerGoneError):
            wire.receive(1.0)
    wire.close()
