"""What is written whole is there whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from models.whole import written_whole

if TYPE_CHECKING:
    from pathlib import Path


def test_the_old_content_stands_until_the_new_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "weights.pt"
    for content in (b"first", b"second"):
        with written_whole(path) as partial:
            partial.write_bytes(content[:3])
            assert not path.exists() or path.read_bytes() == b"first"
            partial.write_bytes(content)
        assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


def test_an_error_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(b"old")

    def interrupted() -> None:
        with written_whole(path) as partial:
            partial.write_bytes(b"ha")
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
