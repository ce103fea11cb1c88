"""What a log line quotes can't steer the terminal that shows it."""

from __future__ import annotations

import logging

import pytest

from agent.host.log import _JournalFormatter, _LineFormatter


@pytest.mark.parametrize(("formatter", "mark"), [(_LineFormatter(), ""), (_JournalFormatter(), "<4>")])
def test_control_characters_are_spelt_out_and_lines_stay_lines(
    formatter: logging.Formatter, mark: str
) -> None:
    said = "camera said \x1b[2J“ä”\n\x9b31m and more"
    record = logging.LogRecord("agent", logging.WARNING, "", 0, said, None, None)
    assert formatter.format(record) == f"{mark}camera said \\x1b[2J“ä”\n{mark}\\x9b31m and more"
