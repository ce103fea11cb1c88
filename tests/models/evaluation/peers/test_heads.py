"""Heads for the comparison with peers come from a folder, or are refused with the line at fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from agent.domain import Box
from agent.errors import ConfigError
from agent.synthetic.crowd import draw_crowd
from models.evaluation.peers.heads import read_heads, write_heads
from tests.support.places import DATA

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "file,label,left,top,right,bottom\n"


def write_folder(folder: Path, *lines: str) -> Path:
    cv2.imwrite(str(folder / "one.png"), np.full((120, 100, 3), 200, np.uint8))
    (folder / "heads.csv").write_text(HEADER + "".join(f"{line}\n" for line in lines))
    return folder


def test_heads_keep_order_label_and_box_and_can_be_shown(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, "one.png,sadness,20,10,80,110", "one.png,anger,25,15,75,100.5")
    first, second = read_heads(folder)
    assert (first.label, second.label) == ("sadness", "anger")
    assert second.face == Box(25.0, 15.0, 75.0, 100.5)
    clip = draw_crowd(2, [first, second])
    assert clip.labels == ("sadness", "anger")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("one.png,joy,1,2,3,4", "'joy'"),
        ("two.png,anger,1,2,3,4", "two.png"),
        ("one.png,anger,left,2,3,4", "left"),
        ("one.png,anger,1,2", "heads.csv"),
    ],
)
def test_a_bad_line_is_refused_with_what_is_wrong(tmp_path: Path, line: str, words: str) -> None:
    with pytest.raises(ConfigError, match="columns are file, label") as caught:
        read_heads(write_folder(tmp_path, line))
    assert words in str(caught.value)


def test_a_folder_without_index_or_heads_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"heads\.csv"):
        read_heads(tmp_path)
    with pytest.raises(ConfigError, match="lists no head"):
        read_heads(write_folder(tmp_path))


@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data")
def test_heads_of_unseen_people_are_written_as_they_are_read(tmp_path: Path) -> None:
    counts = write_heads(DATA, tmp_path, 2)
    heads = read_heads(tmp_path)
    assert {label: [head.label for head in heads].count(label) for label in counts} == counts
    for head in heads:
        assert 0.0 <= head.face.left < head.face.right <= head.pixels.shape[1]
