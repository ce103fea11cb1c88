"""Promises of the configuration: everything wrong is said at once, in words, before anything starts."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from agent.errors import ConfigError
from agent.settings import AgentSettings, MqttSettings, OpenCvSource
from agent.settings.reading import load_settings, parse_settings

if TYPE_CHECKING:
    from pathlib import Path

MINIMAL = """
[deployment]
site = "lobby"
device = "box-1"
context = "retail"

[sources.door]
type = "opencv"
device = 0
"""


def parse(text: str) -> AgentSettings:
    return parse_settings(tomllib.loads(text), origin="config.toml")


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return str(caught.value).splitlines()


def test_a_minimal_file_gets_the_documented_defaults() -> None:
    settings = parse(MINIMAL)
    assert isinstance(settings.sources["door"], OpenCvSource)
    assert settings.privacy.min_count == 5
    assert settings.privacy.window_s == 300.0
    assert settings.latency.budget_ms == 100.0
    assert settings.mqtt.root == "emotion-agent"
    assert not settings.mqtt.uses_tls


def test_every_problem_is_reported_in_one_go() -> None:
    found = problems("""
        [deployment]
        site = "a/b"
        context = "retail"
        [sources.door]
        type = "opencv"
        device = 0
        widht_px = 640
        [latency]
        budget_ms = "fast"
        [mqt]
        host = "x"
    """)
    assert len(found) == 5
    assert all(line.startswith("config.toml: ") for line in found)
    text = "\n".join(found)
    for expected in ("deployment.device is missing", "deployment.site = 'a/b'", "latency.budget_ms = 'fast'"):
        assert expected in text


@pytest.mark.parametrize(
    ("line", "near"),
    [
        ("[mqt]\nhost = 'x'", "mqtt"),
        ("[latency]\nbudget = 5", "budget_ms"),
        ("[privacy]\nmincount = 9", "min_count"),
    ],
)
def test_a_misspelt_key_names_its_near_match(line: str, near: str) -> None:
    (problem,) = problems(MINIMAL + line)
    assert "unknown key" in problem
    assert repr(near) in problem


def test_a_misspelt_source_key_names_its_near_match_without_the_type_in_the_path() -> None:
    (problem,) = problems(MINIMAL + "widht_px = 640")
    assert problem == "config.toml: unknown key sources.door.widht_px; did you mean 'width_px'?"


def test_a_key_like_nothing_known_lists_what_exists() -> None:
    (problem,) = problems(MINIMAL + "[latency]\nzzzzzz = 1")
    assert "known keys: budget_ms" in problem


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("[sources.x]\ntype = 'webcam'", "is not one of replay, opencv, picamera2"),
        ("[sources.x]\ndevice = 1", "sources.x.type is missing"),
        ("[latency]\nbudget_ms = nan", "latency.budget_ms"),
        ("[latency]\nbudget_ms = -4", "greater than or equal to 5"),
        ("[privacy]\nmin_count = 1", "acknowledge_individual_counts"),
        ("[privacy]\nday_total = true", "day_total = true needs noise"),
        (
            "[models]\nclassifier = 'none'\n[privacy]\nepsilon = 1.0\nday_total = true",
            "only sources that count expressions have a day's total",
        ),
        ("[privacy]\nwindow_s = 30", "min_count = 1 and acknowledge_individual_counts"),
        ("[privacy]\nwindow_s = 30\nacknowledge_individual_counts = true", "windows under 60 s"),
        ("[mqtt]\nhost = 'broker.example'\ntls = false", "allow_plaintext"),
        (
            "[mqtt]\npassword_file = '/nowhere/secret'",
            "mqtt.password_file = '/nowhere/secret' does not exist",
        ),
        ("[mqtt]\ncertificate_file = '/x.pem'", "certificate_file and key_file go together"),
        (
            """
            [sources.door.measured]
            count_ratio = 2
            count_ratio_low = 0.5
            count_ratio_high = 1
            counted_on = 2026-11-26
            """,
            "sources.door.measured: count_ratio must lie between count_ratio_low and count_ratio_high",
        ),
        ("[sources.door.measured]\nratio = 2", "unknown key sources.door.measured.ratio"),
        ("counting = 'line'", 'sources.door: counting = "line" and line'),
        ("line = [0, 0, 1, 1]", "set both or neither"),
        ("counting = 'line'\nline = [0.5, 0.5, 0.5, 0.5]", "the ends of line are one point"),
        ("counting = 'line'\nline = [0.0, 0.5, 1.2, 0.5]", "less than or equal to 1"),
        ("counting = 'line'\nline = [0.0, 0.5, 1.0]", "sources.door.line"),
        ("counting = 'heads'", "'presence' or 'line'"),
        ("[models]\nbundle = '/nowhere'", "models.bundle = '/nowhere' does not exist"),
    ],
)
def test_wrong_values_are_named_with_a_remedy(table: str, words: str) -> None:
    assert any(words in problem for problem in problems(MINIMAL + table))


LINE = "counting = 'line'\nline = [0.1, 0.5, 0.9, 0.5]\n"
HALL = "[sources.hall]\ntype = 'opencv'\ndevice = 1\n"
NO_EXPRESSIONS = "[models]\nclassifier = 'none'\n"


@pytest.mark.parametrize(
    ("extra", "expressions_of", "classifier"),
    [
        (HALL, {"door": True, "hall": True}, "mobilenet_emotion"),
        (LINE + HALL, {"door": False, "hall": True}, "mobilenet_emotion"),
        (LINE, {"door": False}, "none"),
        (HALL + NO_EXPRESSIONS, {"door": False, "hall": False}, "none"),
    ],
)
def test_expressions_are_asked_for_where_a_source_counts_them(
    extra: str, expressions_of: dict[str, bool], classifier: str
) -> None:
    settings = parse(MINIMAL + extra)
    assert {name: settings.expressions_of(name) for name in settings.sources} == expressions_of
    assert settings.expressions is any(expressions_of.values())
    assert settings.needed_models.classifier == classifier


@pytest.mark.parametrize("context", ["workplace", "education"])
def test_prohibited_contexts_are_refused_with_the_legal_reason(context: str) -> None:
    (problem,) = problems(MINIMAL.replace("retail", context))
    assert "Art. 5(1)(f)" in problem


def test_a_written_out_safety_purpose_lifts_the_refusal() -> None:
    text = MINIMAL.replace('"retail"', '"workplace"\nsafety_purpose = "driver fatigue alarm in a crane"')
    assert parse(text).deployment.context == "workplace"


def test_a_url_with_credentials_is_never_repeated() -> None:
    found = problems(MINIMAL.replace("device = 0", 'device = ["rtsp://me:secret@cam/1"]'))
    assert found
    assert not any("secret" in problem for problem in found)


def test_missing_and_broken_files_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        load_settings(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("[deployment\n")
    with pytest.raises(ConfigError, match="not valid TOML"):
        load_settings(broken)
    broken.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="can't read"):
        load_settings(broken)


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTION_AGENT_MQTT__HOST", "broker.example")
    settings = parse(MINIMAL + "[mqtt]\nhost = 'other'\nport = 99")
    assert (settings.mqtt.host, settings.mqtt.port) == ("broker.example", 99)


@pytest.mark.parametrize(
    ("table", "tls", "port"),
    [
        ({"host": "localhost"}, False, 1883),
        ({"host": "127.8.9.1"}, False, 1883),
        ({"host": "::1"}, False, 1883),
        ({"host": "broker.example"}, True, 8883),
        ({"host": "192.168.1.4"}, True, 8883),
        ({"host": "localhost", "tls": True, "port": 1}, True, 1),
    ],
)
def test_tls_is_the_default_away_from_loopback(table: dict[str, Any], tls: bool, port: int) -> None:  # noqa: FBT001
    settings = MqttSettings(**table)
    assert (settings.uses_tls, settings.effective_port) == (tls, port)


def test_settings_cannot_change_after_loading() -> None:
    with pytest.raises(ValueError, match="frozen"):
        parse(MINIMAL).mqtt.host = "elsewhere"  # type: ignore[misc]
