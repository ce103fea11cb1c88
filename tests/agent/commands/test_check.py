"""What ``check`` tells whoever has written a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from agent.cli import app

if TYPE_CHECKING:
    from pathlib import Path

PLACE = '[deployment]\nsite = "hall"\ndevice = "door-1"\ncontext = "museum"\n'
LINES = {
    "down": ([0.0, 0.6, 1.0, 0.5], "downwards"),
    "up": ([1.0, 0.6, 0.0, 0.5], "upwards"),
    "right": ([0.4, 1.0, 0.5, 0.0], "from left to right"),
    "left": ([0.4, 0.0, 0.5, 1.0], "from right to left"),
}


def source(name: str, line: list[float] | None = None) -> str:
    table = f'[sources.{name}]\ntype = "opencv"\ndevice = 0\n'
    return table if line is None else f'{table}counting = "line"\nline = {line}\n'


def checked(text: str, folder: Path) -> str:
    config = folder / "config.toml"
    config.write_text(PLACE + text)
    done = CliRunner().invoke(app, ["check", "--config", str(config)])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.slow
def test_it_says_what_each_source_counts_and_which_way_is_in(tmp_path: Path) -> None:
    lines = "".join(source(name, line) for name, (line, _) in LINES.items())
    said = checked(source("plain") + lines, tmp_path)
    assert "plain counts people and their expressions\n" in said
    assert "mobilenet_emotion" in said
    for name, (_, way) in LINES.items():
        assert f"{name} counts who crosses its line; {way} is in\n" in said
    said = checked(source("plain") + '[models]\nclassifier = "none"\n', tmp_path)
    assert "plain counts people only\n" in said
    assert "mobilenet_emotion" not in said
