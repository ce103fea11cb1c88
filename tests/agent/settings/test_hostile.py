"""Whatever a configuration, a file, the environment or a command line holds: a sentence, no traceback."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from agent.errors import ConfigError
from agent.settings import AgentSettings
from agent.settings.reading import load_settings
from tests.support.hostile_settings import BASE, Outcome, read_many_here, run_many


def problem(path: Path, text: str | bytes = BASE) -> str:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    return str(caught.value)


@pytest.mark.slow
def test_some_hundred_hostile_configurations_end_in_sentences() -> None:
    outcome = read_many_here(random.Random(11), 300)  # noqa: S311 - no secret
    assert outcome.tracebacks == []
    assert outcome.accepted > 0
    assert outcome.refused > 0


@pytest.mark.slow
def test_the_command_itself_ends_in_sentences() -> None:
    outcome: Outcome = run_many(random.Random(12), 6)  # noqa: S311
    assert outcome.tracebacks == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"x = {'9' * 5_000}", "not valid TOML"),
        (f"x = {'[' * 3_000}{']' * 3_000}", "not valid TOML"),
        (f"{'.'.join(['a'] * 3_000)} = 1", "unknown key a;"),
        (f"{BASE}keepalive_s = 0x{'f' * 6_000}", "mqtt.keepalive_s = (int)"),
        (f"{BASE}password_file = '/{'d' * 5_000}'", "mqtt.password_file = '/ddd"),
        (f"{BASE}password_file = '/dev/zero'", "is no regular file"),
        (f'{BASE}password_file = "\\u0000"', "mqtt.password_file = '\\x00'"),
        (f'"a\\nb" = 1\n{BASE}', "unknown key a\\nb;"),
        (b"#" * 2_000_000, "larger than"),
    ],
)
def test_what_no_file_should_hold_is_a_sentence(tmp_path: Path, text: str | bytes, words: str) -> None:
    said = problem(tmp_path / "config.toml", text)
    assert words in said
    assert all(len(line) < 500 for line in said.splitlines())


def test_only_a_small_regular_file_is_read(tmp_path: Path) -> None:
    """A device never ends, a FIFO waits for ever, a path may be longer than the kernel takes."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (Path("/dev/zero"), fifo, tmp_path, tmp_path / ("d" * 5_000)):
        with pytest.raises(ConfigError, match="can't read configuration file"):
            load_settings(path)


# --- what a library takes for options of its own ----------------------------------------------------------


@pytest.mark.parametrize("key", ["_cli_parse_args", "_env_file", "_build_sources", "__pydantic_self__"])
def test_a_key_with_an_underscore_is_as_unknown_as_any_other(tmp_path: Path, key: str) -> None:
    said = problem(tmp_path / "config.toml", f'{key} = ["--mqtt.host","evil"]\n{BASE}')
    assert f"unknown key {key}" in said


def test_nor_can_code_hand_such_a_key_over() -> None:
    tables = {
        "deployment": {"site": "a", "device": "b", "context": "demo"},
        "sources": {"door": {"type": "opencv", "device": 0}},
    }
    assert AgentSettings.model_validate(tables).mqtt.host == "localhost"
    with pytest.raises(ValueError, match="_cli_parse_args"):
        AgentSettings(_cli_parse_args=["--mqtt.host", "evil"], **tables)  # type: ignore[call-arg]


# --- the environment --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("EMOTION_AGENT_MQTT__HSOT", "x",
         "unknown variable EMOTION_AGENT_MQTT__HSOT; did you mean 'EMOTION_AGENT_MQTT__HOST'?"),
        ("EMOTION_AGENT_MQTT_HOST", "x", "did you mean 'EMOTION_AGENT_MQTT__HOST'?"),
        ("EMOTION_AGENT_PRIVACY__MINCOUNT", "9", "did you mean 'EMOTION_AGENT_PRIVACY__MIN_COUNT'?"),
        ("EMOTION_AGENT_SOURCES__DOOR__DEVCIE", "1", "did you mean 'EMOTION_AGENT_SOURCES__DOOR__DEVICE'?"),
        ("EMOTION_AGENT___CLI_PARSE_ARGS", "['--mqtt.host', 'evil']",
         "unknown variable EMOTION_AGENT___CLI_PARSE_ARGS"),
        ("EMOTION_AGENT_", "x", "unknown variable EMOTION_AGENT_"),
        ("EMOTION_AGENT_MQTT", "5", "EMOTION_AGENT_MQTT = '5' is not valid"),
        ("EMOTION_AGENT_MQTT__PORT", "abc", "EMOTION_AGENT_MQTT__PORT = 'abc' is not valid"),
        ("EMOTION_AGENT_MQTT__PORT", "9" * 5_000, "EMOTION_AGENT_MQTT__PORT = '999"),
        ("EMOTION_AGENT_MODELS__TRUSTED_KEYS", "[" * 90_000, "nested too deeply"),
        ("EMOTION_AGENT_MODELS__TRUSTED_KEYS", "[", "EMOTION_AGENT_MODELS__TRUSTED_KEYS = '[' is not valid"),
    ],
)  # fmt: skip
def test_a_wrong_variable_is_named_and_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(name, value)
    assert words in problem(tmp_path / "config.toml")


def test_a_variable_hides_no_mistake_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTION_AGENT_HEALTH__INTERVAL_S", "5")
    assert "health = 7 is not valid" in problem(tmp_path / "config.toml", f"health = 7\n{BASE}")


def test_a_variable_may_hold_a_list_or_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTION_AGENT_SOURCES", '{"yard": {"type": "opencv", "device": 3}}')
    monkeypatch.setenv("EMOTION_AGENT_MODELS__TRUSTED_KEYS", f'["{tmp_path / "config.toml"}"]')
    (tmp_path / "config.toml").write_text(BASE)
    settings = load_settings(tmp_path / "config.toml")
    assert sorted(settings.sources) == ["door", "yard"]
    assert settings.models.trusted_keys == (tmp_path / "config.toml",)


# --- files of others --------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["password_file", "key_file"])
@pytest.mark.parametrize(("mode", "is_told"), [(0o644, True), (0o640, False), (0o600, False)])
def test_a_secret_that_everybody_can_read_is_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, key: str, mode: int, *, is_told: bool
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(mode)
    other = f"certificate_file = '{secret}'\n" if key == "key_file" else ""
    (tmp_path / "config.toml").write_text(f"{BASE}{key} = '{secret}'\n{other}")
    load_settings(tmp_path / "config.toml")
    assert (f"{key} {secret} is open to every user" in caplog.text) == is_told
