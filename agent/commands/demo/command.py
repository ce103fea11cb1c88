"""``emotion-agent demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent.errors import AgentError, ConfigError


def demo(
    *,
    camera: Annotated[str | None, typer.Option(help="Index, path or URL of a real camera.")] = None,
    video: Annotated[
        Path | None, typer.Option(help="A video file or a folder of images.", exists=True)
    ] = None,
    people_only: Annotated[
        bool, typer.Option("--people-only", help="Count people; no expression is inferred.")
    ] = False,
    seconds: Annotated[float, typer.Option(min=5.0, help="Length of the clip, or of a camera run.")] = 40.0,
) -> None:
    """Watch counts arrive through MQTT: no camera, no broker, no configuration needed."""
    if camera is not None and video is not None:
        raise ConfigError("--camera and --video exclude each other: give one of them")
    try:
        from agent.commands.demo.session import run_demo  # noqa: PLC0415 - needs the demo extra
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"the demo needs {error.name}: install it with pip install 'emotion-agent[demo]'",
        ) from error
    if run_demo(camera=camera, video=video, people_only=people_only, duration_s=seconds) == 0:
        raise AgentError("no window arrived through MQTT; run again with --verbose and read the log")
