"""The measured ratio joins a configuration that somebody has written, and nothing else in it changes."""

from __future__ import annotations

import json
import os
import stat
import tomllib
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.commands.tally.writing import with_measured, write_measured
from agent.errors import ConfigError
from agent.settings import MeasuredCount, load_settings
from tests.support.places import SYSTEMD

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FOUND = MeasuredCount(
    count_ratio=0.84, count_ratio_low=0.7, count_ratio_high=1.01, counted_on=date(2026, 11, 26)
)
VALUES = FOUND.model_dump()
HEAD = """\
# by whom, and why
[deployment]
site = "lobby"
device = "box-1"   # the left one
context = "retail"
"""
CAMERA = """
[sources.door]
type = "opencv"
device = 0  # the one at the door
"""
NAMES = st.just("door") | st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,8}", fullmatch=True)
STRANGE = [
    'operator = """\n[sources.door.measured]\ncount_ratio = 9\n"""',
    "contact = '#[sources]'",
    "# [x]",
    "",
]
"""What only looks like a table, a comment, or the end of one."""


@st.composite
def tables(draw: Any, name: str) -> str:
    """One source as its owner may have written it."""
    key = json.dumps(name) if "." in name or draw(st.booleans()) else name
    space = draw(st.sampled_from(["", " ", "\t"]))
    head = f"{space}[{space}sources{space}.{space}{key}{space}]{draw(st.sampled_from(['', ' # mine']))}"
    zone = draw(st.sampled_from(["", "exclusion_zones = [ # staff\n  [[0.0, 0.0], [1, 0.0],\n[0.5, 1]]]\n"]))
    body = [head, f"type{space}= 'opencv'", f"device = {draw(st.integers(0, 9))}{space}#{space}it = 1", zone]
    measured = draw(st.sampled_from(["", "inline", "table", "part"]))
    if measured == "inline":
        body += [f"{space}measured = {{ count_ratio = 7.5, counted_on = 2025-01-01 }} # not much"]
    elif measured:
        body += [
            "",
            f"{space}[sources.{key}.measured] # last year",
            "# before",
            f"count_ratio{space}={space}0.5# of 9",
        ]
    if measured == "table":
        body += [
            "count_ratio_high=2",
            "",
            "counted_on = 2025-01-01   # a Wednesday",
            "count_ratio_low = 0.1 ",
        ]
    return "\n".join(body) + "\n"


@st.composite
def configurations(draw: Any) -> tuple[str, str]:
    """A valid file, and one of its sources."""
    names = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    parts = [draw(tables(name)) for name in names] + ["[health]\ninterval_s = 7 # often\n"]
    order = draw(st.permutations(parts))
    text = HEAD + draw(st.sampled_from(STRANGE)) + "\n" + "\n".join(order)
    text = text if draw(st.booleans()) else text.rstrip("\n")
    return (text if draw(st.booleans()) else text.replace("\n", "\r\n")), draw(st.sampled_from(names))


def told(text: str) -> dict[str, Any]:
    return tomllib.loads(text)


def is_kept(row: str) -> bool:
    return row != "" and "count" not in row and "measured" not in row


@given(configurations())
def test_only_the_asked_keys_change_and_every_comment_stays(made: tuple[str, str]) -> None:
    text, name = made
    changed = with_measured(text, name, VALUES)
    assert changed is not None
    expected = told(text)
    expected["sources"][name]["measured"] = VALUES
    assert told(changed) == expected
    rows, kept = ([row.strip() for row in one.split("\n")] for one in (text, changed))
    assert [row.partition("#")[2] for row in rows if "#" in row] == [
        row.partition("#")[2] for row in kept if "#" in row
    ]
    assert [row for row in rows if is_kept(row)] == [row for row in kept if is_kept(row)]
    assert ("\r\n" in text) == ("\r\n" in changed)
    assert with_measured(changed, name, VALUES) == changed


def test_the_shipped_configuration_gets_a_table_at_its_end() -> None:
    text = (SYSTEMD / "config.toml").read_text()
    changed = with_measured(text, "entrance", VALUES)
    assert changed is not None
    assert changed.startswith(text)
    assert changed[len(text) :] == (
        "\n[sources.entrance.measured]\ncount_ratio = 0.84\ncount_ratio_low = 0.7\ncount_ratio_high = 1.01\n"
        "counted_on = 2026-11-26\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        'sources.door = {type = "opencv", device = 0}\n' + HEAD,
        HEAD + '[sources]\ndoor = {type = "opencv", device = 0}\n',
        HEAD + CAMERA + "measured.count_ratio = 1.0\nmeasured.count_ratio_low = 1.0\n"
        "measured.count_ratio_high = 1.0\nmeasured.counted_on = 2025-01-01\n",
    ],
)
def test_where_no_table_can_join_it_says_what_to_write_by_hand(tmp_path: Path, text: str) -> None:
    config = tmp_path / "config.toml"
    config.write_text(text)
    load_settings(config)
    with pytest.raises(ConfigError, match=r"no table can join it: add by hand: \[sources\.door\.measured\]"):
        write_measured(config, "door", FOUND)
    assert config.read_text() == text
    assert list(tmp_path.iterdir()) == [config]


def test_what_was_written_is_loaded_and_owner_and_permissions_stay(tmp_path: Path) -> None:
    """As installed, for root to write and the service to read; through a link, which stays one too."""
    real, config = tmp_path / "site.toml", tmp_path / "config.toml"
    real.write_text(HEAD + CAMERA)
    config.symlink_to(real)
    real.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(real, 12, 34)
    before = real.stat()
    mask = os.umask(0o077)
    try:
        write_measured(config, "door", FOUND)
    finally:
        os.umask(mask)
    assert load_settings(config).sources["door"].measured == FOUND
    assert config.is_symlink()
    after = real.stat()
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)
    assert stat.S_IMODE(after.st_mode) == 0o640
    assert sorted(tmp_path.iterdir()) == [config, real]


def read_only(config: Path) -> None:
    config.chmod(0o444)


def larger(config: Path) -> None:
    config.write_text(config.read_text() + "#" * 2_000_000)


def broken(config: Path) -> None:
    config.write_text("[sources.door\n")


def emptied(config: Path) -> None:
    config.write_text("")


def renamed(config: Path) -> None:
    config.write_text(HEAD + CAMERA.replace("door", "gate"))


def invalid(config: Path) -> None:
    config.write_text(HEAD + CAMERA + "fps = 'many'\n")


def bytes_of_another_kind(config: Path) -> None:
    config.write_bytes(b"\xff\xfe#")


@pytest.mark.parametrize(
    "happened", [read_only, larger, broken, emptied, renamed, invalid, bytes_of_another_kind]
)
def test_a_file_that_is_not_what_it_was_is_left_alone(
    tmp_path: Path, happened: Callable[[Path], None]
) -> None:
    """Somebody else may have been at it while people were counted."""
    config = tmp_path / "config.toml"
    config.write_text(HEAD + CAMERA)
    happened(config)
    before = config.read_bytes()
    with pytest.raises(ConfigError) as caught:
        write_measured(config, "door", FOUND)
    assert str(config) in str(caught.value)
    assert config.read_bytes() == before
    assert list(tmp_path.iterdir()) == [config]


@pytest.mark.parametrize("gone", ["file", "folder"])
def test_a_file_that_has_gone_is_a_sentence(tmp_path: Path, gone: str) -> None:
    config = tmp_path / "config.toml"
    if gone == "folder":
        config.mkdir()
    with pytest.raises(ConfigError, match=r"can't be written .*: add by hand: \[sources\.door\.measured\]"):
        write_measured(config, "door", FOUND)


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config.toml"
    config.write_text(HEAD + CAMERA)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="No space left"):
        write_measured(config, "door", FOUND)
    assert config.read_text() == HEAD + CAMERA
    assert list(tmp_path.iterdir()) == [config]
