"""The draft of the impact assessment claims what this configuration does, and leaves the rest blank."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
from typer.testing import CliRunner

from agent.cli import app
from agent.commands.notice.dpia import render_dpia
from agent.settings.reading import parse_settings

CONFIG = """
[deployment]
site = "hall"
device = "door-1"
context = "museum"
operator = "City | Museum"
contact = "privacy@museum.example"

[sources.door]
type = "opencv"
device = "rtsp://192.0.2.9/stream"

[mqtt]
host = "broker.example"
"""


def draft(extra: str = "", **replaced: str) -> str:
    text = CONFIG + extra
    for old, new in replaced.items():
        text = re.sub(rf'(?m)^{old} = ".*"$', new, text)
    return render_dpia(parse_settings(tomllib.loads(text), "config.toml"))


def blanks(text: str) -> int:
    return text.count("[TO FILL IN")


def test_what_the_configuration_knows_is_filled_in() -> None:
    text = draft("[privacy]\nmin_count = 7\nwindow_s = 600\n")
    for fact in (
        "hall", "door-1", "City \\| Museum", "privacy@museum.example", "museum", "visitors respond",
        "| door | camera on the network | 640 × 480", "broker.example:8883", "encrypted (TLS", "10 minutes",
        "fewer than 7 people", "out of sight for 10 seconds", "30 seconds",
    ):  # fmt: skip
        assert fact in text, fact
    assert "$" not in text
    assert text.endswith("\n")


def test_what_only_the_operator_knows_stays_a_visible_blank() -> None:
    """And nothing that is blank in the configuration is passed over."""
    known = draft()
    assert blanks(known) > 20
    assert blanks(draft(operator="", contact="")) == blanks(known) + 2
    for article in (
        "35(7)(a)",
        "35(7)(b)",
        "35(7)(c)",
        "(d)",
        "35(2)",
        "35(9)",
        "Art. 36",
        "Art. 6(1)",
        "Art. 27",
    ):
        assert article in known


@pytest.mark.parametrize(
    ("extra", "claimed"),
    [
        ("[privacy]\nmin_count = 1\nacknowledge_individual_counts = true\n", "fewer than"),
        ("", "differential privacy"),
        ("tls = false\nallow_plaintext = true\n", "encrypted (TLS"),
        ("[models]\nallow_unsigned = true\n", "must be signed"),
        ("", "blacked out before detection"),
        ("[privacy]\nepsilon = 1.0\n", "totals of the day"),
        ("[privacy]\nepsilon = 1.0\n", "whatever they do"),
    ],
)
def test_no_measure_is_claimed_that_is_switched_off(extra: str, claimed: str) -> None:
    assert claimed not in draft(extra)


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ("[privacy]\nmin_count = 1\nacknowledge_individual_counts = true\n", "totals of a single person"),
        ("[privacy]\nepsilon = 0.5\n", "epsilon 0.5 for one track in one window"),
        ("[privacy]\nepsilon = 0.5\n", "to 144 for one that is in view for a day"),
        (
            "[privacy]\nepsilon = 1.0\nday_total = true\n",
            "0.7 for the window's counts, 0.3 for the day's total",
        ),
        ("[privacy]\nepsilon = 1.0\nday_total = true\n", "added up over all its windows"),
        ("[privacy]\nepsilon = 1.0\nday_total = true\n", "| totals of the day so far | working memory |"),
        (
            "[privacy]\nepsilon = 0.5\nmax_tracks_per_person = 10\n",
            "For one person, whatever they do, it is 1440 in a day at most",
        ),
        ("tls = false\nallow_plaintext = true\n", "NOT ENCRYPTED"),
        ("[models]\nallow_unsigned = true\n", "UNSIGNED networks are allowed"),
        (
            "[sources.b]\ntype='picamera2'\nexclusion_zones=[[[0,0],[1,0],[1,1]]]\n",
            "1 area(s) are blacked out",
        ),
    ],
)
def test_what_is_switched_on_or_off_is_said(extra: str, said: str) -> None:
    assert said in draft(extra)


NO_EXPRESSIONS = '[models]\nclassifier = "none"\n'
LINE = "[sources.hall]\ntype = 'picamera2'\ncounting = 'line'\nline = [0, 0.5, 1, 0.5]\n"


def test_where_no_expression_is_inferred_none_is_assessed() -> None:
    text = draft(NO_EXPRESSIONS)
    assert "people counts at hall" in text
    assert "No expression is inferred" in text
    assert "the device infers none" in text
    assert "how many people were counted." in text
    for claimed in ("facial-expression", "high-risk", "Art. 50(3)", "happiness", "its votes", "estimate is"):
        assert claimed not in text, claimed
    assert "$" not in text
    assert blanks(text) == blanks(draft())


def test_a_line_is_described_beside_whatever_else_is_counted() -> None:
    both, alone = draft(LINE), draft(LINE + NO_EXPRESSIONS)
    for text in (both, alone):
        assert "crossed a line in the picture, one way and the other" in text
        assert "its side of the line" in text
        assert "fewer than 5 people or crossings" in text
    assert "happiness" in both
    assert "happiness" not in alone


def test_an_exception_to_the_prohibition_must_be_argued() -> None:
    text = draft(context='context = "workplace"\nsafety_purpose = "Fatigue alarm in a crane"')
    assert "The reason written out: Fatigue alarm in a crane" in text
    assert "evidence that this reason carries the exception" in text


def test_a_cameras_address_is_not_repeated() -> None:
    assert "192.0.2.9" not in draft()


def test_it_speaks_of_expressions_and_never_of_feelings() -> None:
    assert not re.search(r"feel|mood", draft().lower())


def test_the_tables_are_whole() -> None:
    """Every row has as many cells as its head, so that it prints as a table whatever the names are."""
    columns = 0
    for line in draft().splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        assert not columns or not cells or cells == columns, line
        columns = cells


def test_the_command_prints_it(tmp_path: Any) -> None:
    config = tmp_path / "config.toml"
    config.write_text(CONFIG)
    done = CliRunner().invoke(app, ["notice", "--dpia", "--config", str(config)])
    assert done.exit_code == 0, done.output
    assert done.output == draft()
