"""One module per way to get a frame. Each loads its camera library only when it is opened."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from agent.source.cameras.formats import (
        AUTO,
        ChosenFormat,
        FormatMemory,
        FormatTrial,
        list_formats,
        try_formats,
    )
    from agent.source.cameras.gstreamer import GStreamerCamera, prepare_gstreamer
    from agent.source.cameras.login import read_login
    from agent.source.cameras.opencv import OpenCvCamera
    from agent.source.cameras.picamera2 import Picamera2Camera
    from agent.source.cameras.settings import OpenCvSettings, Picamera2Settings
    from agent.source.cameras.v4l2 import CameraMode, what_is_there
else:
    __getattr__, __all__ = opened(__name__)
