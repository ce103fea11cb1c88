"""Each settings table gets its camera, loaded only when chosen, with excluded areas black from the start."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from agent.settings import OpenCvSource, Picamera2Source, ReplaySource
from agent.source.isolation.camera import IsolatedCamera
from agent.source.recordings.replay import ReplayCamera
from agent.source.seam import FrameSource, make_source
from tests.support.clips import write_images

if TYPE_CHECKING:
    from pathlib import Path

    from agent.settings import SourceSettings


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        (ReplaySource.model_validate({"type": "replay", "path": "clip.mp4"}), ReplayCamera),
        (OpenCvSource(type="opencv", device=0), IsolatedCamera),
        (Picamera2Source(type="picamera2"), IsolatedCamera),
    ],
    ids=["replay", "opencv", "picamera2"],
)
def test_each_table_gets_its_camera_without_opening_it(settings: SourceSettings, kind: type) -> None:
    source: FrameSource = make_source("door", settings)
    assert isinstance(source, kind)
    source.close()


@pytest.mark.slow
def test_choosing_and_importing_a_source_loads_no_camera_library() -> None:
    code = (
        "import sys, agent.source.seam, agent.source.capture, agent.source.mailbox;"
        "from agent.settings import OpenCvSource, Picamera2Source;"
        "agent.source.seam.make_source('a', OpenCvSource(type='opencv', device=0));"
        "agent.source.seam.make_source('b', Picamera2Source(type='picamera2'));"
        "print(sorted({'cv2', 'picamera2', 'libcamera'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_excluded_areas_are_black_in_the_frame_that_leaves_the_source(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "images", 12)
    left_half = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
    settings = ReplaySource(type="replay", path=folder, realtime=False, exclusion_zones=(left_half,))
    source = make_source("door", settings, threading.Event())
    source.open()
    for _ in range(12):
        frame = source.read()
    source.close()
    assert source.every_frame
    assert not frame.pixels[:, :32].any()
    assert frame.pixels[:, 40:].min() > 50
