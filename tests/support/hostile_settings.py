"""Configurations, environments and command lines that nobody should write, drawn from a ``random.Random``.

For the short run of the suite and for long ones by hand:

    python -m tests.support.hostile_settings 10000 200 SEED

reads so many in this process and so many by real commands, and prints what came out.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import resource
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from unittest import mock

from agent.commands.notice.sheet import render_notice
from agent.exits import errors_in_one_sentence
from agent.host import state_directory
from agent.mqtt import load_credentials, tls_context
from agent.settings import AgentSettings
from agent.settings.environment import variable
from agent.settings.reading import load_settings
from tests.support.places import ROOT

BASE: Final = """
[deployment]
site = "lobby"
device = "box-1"
context = "retail"
[sources.door]
type = "opencv"
device = 0
[mqtt]
host = "127.0.0.1"
"""
KEYS: Final = tuple(
    (table, key)
    for table, field_info in AgentSettings.model_fields.items()
    for key in getattr(field_info.annotation, "model_fields", ())
) + tuple(
    ("sources.door", key) for key in ("type", "device", "fourcc", "credentials_file", "exclusion_zones")
)
VALUES: Final = (
    "9" * 5_000, "-" + "9" * 30, "0x" + "f" * 6_000, "1e400", "inf", "-nan", "0", "-1", "true",
    "1979-05-27", "07:32:00", "[]", "{}", "[1, 'a', [2.5]]", "{ a = { b = 1 } }",
    "[" * 3_000 + "]" * 3_000, "{ a = " * 900 + "1" + " }" * 900, "''", "'+/#'", "'a/b'", '"\\u0000"',
    '"line\\nline\\u001b[2J"', "'\U0001f642'", "'" + "x" * 70_000 + "'", "'/dev/zero'", "'/dev/full'",
    "'/dev/null'", "'/proc/self/mem'", "'/'", "'.'", "'~root'", "'/" + "d" * 300 + "'",
    "'/" + "d/" * 5_000 + "'", "'/etc/shadow/x'", "'FIFO'", "'LOOP'", "'BYTES'", "'EMPTY'",
    "'user:secret@host'",
    "'rtsp://user:secret@[::1'", "'rtsp://[bad'", "'videotestsrc ! appsink'", "'255.255.255.255'", "'::'",
    "'a..b'", "'" + "a" * 300 + ".example'", "'\u00fcber'", "'-----BEGIN CERTIFICATE-----'",
)  # fmt: skip
NAMES: Final = (
    "_cli_parse_args", "_env_file", "_secrets_dir", "_build_sources", "_env_prefix", "__pydantic_self__",
    "self", "__class__", "model_config", "cls", "hsot", "x", '""', '"a.b"', '"a\\nb"',
    '"' + "k" * 3_000 + '"', '"\u00fc"', '" "', ".".join(["deep"] * 3_000), '"\\u0000"',
)  # fmt: skip
TEXTS: Final = (
    "", " ", "5", "-5", "9" * 5_000, "1e999", "true", "null", "nan", "{", "{}", "[]", "[1]",
    '{"host": 5}', '{"a": {"b": 1}}', "[" * 90_000, '{"a":' * 20_000, '{"x": ' + "9" * 5_000 + "}",
    "x" * 90_000, "\udcff\udcfe", "\u202e", "a\nb", "/dev/zero", "\x1b[2J", "/" + "d" * 5_000, "+/#",
    "FIFO",
)  # fmt: skip
OTHER_VARIABLES: Final = (
    "HOME", "STATE_DIRECTORY", "XDG_STATE_HOME", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET",
    "JOURNAL_STREAM", "COLUMNS", "LINES", "TERM", "LANG", "LC_ALL", "NO_COLOR", "FORCE_COLOR",
    "WATCHDOG_USEC", "SOURCE_DATE_EPOCH", "TMPDIR", "TZ", "OMP_NUM_THREADS", "SSL_CERT_FILE",
    "SSL_CERT_DIR", "USER",
)  # fmt: skip
OPTIONS: Final = (
    "--site",
    "--device",
    "--root",
    "--host",
    "--port",
    "--seconds",
    "--username",
    "--password-file",
    "--ca-file",
)


@dataclass(frozen=True, slots=True)
class Hostile:
    """One thing to read."""

    path: Path
    environment: dict[str, str]
    gone: tuple[str, ...]
    """Variables that are not set."""
    arguments: tuple[str, ...]
    """Of ``emotion-agent``, which would have to be refused or to end at once."""


@dataclass(slots=True)
class Outcome:
    """What became of many."""

    accepted: int = 0
    refused: int = 0
    tracebacks: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        kinds = Counter(text.strip().splitlines()[-1][:160] for text in self.tracebacks)
        lines = [f"accepted {self.accepted}, refused {self.refused}, tracebacks {len(self.tracebacks)}"]
        return "\n".join([*lines, *(f"  {count:5} {kind}" for kind, count in kinds.most_common())])


def hostile(draw: random.Random, folder: Path) -> Hostile:
    """Something to read, with what it needs in ``folder``."""
    special = _special_files(folder)
    text = BASE
    for _ in range(draw.randrange(4)):
        text = draw.choice((_with_value, _with_name, damaged))(draw, text)
    for name, path in special.items():
        text = text.replace(f"'{name}'", f"'{path}'")
    path = folder / "config.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    if draw.random() < 0.1:
        path = draw.choice(
            (*special.values(), Path("/dev/zero"), Path("/"), Path("/" + "d" * 5_000), folder / "no")
        )
    environment = {_variable(draw): draw.choice(TEXTS) for _ in range(draw.choice((0, 0, 1, 2)))}
    if draw.random() < 0.3:
        environment[draw.choice(OTHER_VARIABLES)] = draw.choice(TEXTS)
    gone = ("HOME",) if draw.random() < 0.1 else ()
    return Hostile(path, environment, gone, _command_line(draw, path))


def _special_files(folder: Path) -> dict[str, Path]:
    special = {name: folder / name.lower() for name in ("FIFO", "LOOP", "BYTES", "EMPTY")}
    if not special["FIFO"].exists():
        os.mkfifo(special["FIFO"])
        special["LOOP"].symlink_to("loop")
        special["BYTES"].write_bytes(bytes(range(256)))
        special["EMPTY"].touch()
    return special


def _with_value(draw: random.Random, text: str) -> str:
    table, key = draw.choice(KEYS)
    value = draw.choice(VALUES)
    lines = [line for line in text.splitlines() if not line.startswith(f"{key} = ")]
    if f"[{table}]" not in lines:
        lines.append(f"[{table}]")
    lines.insert(lines.index(f"[{table}]") + 1, f"{key} = {value}")
    return "\n".join(lines) + "\n"


def _with_name(draw: random.Random, text: str) -> str:
    line = f"{draw.choice(NAMES)} = {draw.choice(VALUES)}\n"
    where = draw.choice(("", "[mqtt]\n", "[sources.door]\n", "[deployment]\n"))
    return text.replace(where, where + line, 1) if where else line + text


def damaged(draw: random.Random, text: str) -> str:
    at, until = sorted((draw.randrange(len(text) + 1), draw.randrange(len(text) + 1)))
    what = draw.choice(
        ("", "\0", "\udcff", "\ufeff", '"""', "[[", "=", "\r", "[mqtt]\n", "\n" * 1_000, "#" * 2_000_000)
    )
    return text[:at] + what + text[at if draw.random() < 0.5 else until :]


def _variable(draw: random.Random) -> str:
    table, key = draw.choice(KEYS)
    name = variable([*table.split("."), key])
    return draw.choice(
        (name, name, name.lower(), name.replace("__", "_"), name[:-1], name + "__X", name.rpartition("__")[0],
         "EMOTION_AGENT_", "EMOTION_AGENT___CLI_PARSE_ARGS", "EMOTION_AGENT__MQTT",
         "EMOTION_AGENT_SOURCES__DOOR__TYPE")
    )  # fmt: skip


def _command_line(draw: random.Random, path: Path) -> tuple[str, ...]:
    options = [
        word for _ in range(draw.randrange(3)) for word in (draw.choice(OPTIONS), draw.choice(TEXTS)[:2_000])
    ]
    return draw.choice(
        (
            ("check", "--config", str(path)),
            ("notice", "--config", str(path)),
            ("notice", "--dpia", "--config", str(path)),
            ("run", "--config", str(path), "--no-such-option"),
            ("watch", "--seconds", "0.1", "--port", "1", *options),
            ("watch", "--config", str(path), "--seconds", "0.1", "--port", "1"),
            ("bench", "--faces", draw.choice(TEXTS)[:2_000], "--threads", "-1"),
            ("bench", "--faces", draw.choice(("x", "1,,x", "\u0663", "9" * 5_000)), "--seconds", "0.1"),
            ("notice", "--config", str(path), "--language", draw.choice(TEXTS)[:2_000]),
        )
    )


def read_here(case: Hostile) -> None:
    """What every command does with its configuration, short of networks, cameras and connections.

    Raises:
        AgentError: It is refused, in words; all else would be a traceback, which is what is looked for.
    """
    environment = {key: value for key, value in os.environ.items() if key not in case.gone} | case.environment
    with mock.patch.dict(os.environ, environment, clear=True):
        settings = load_settings(case.path)
        load_credentials(settings.mqtt)
        tls_context(settings.mqtt)
        if settings.state.directory is None and not case.environment.keys() & set(OTHER_VARIABLES):
            state_directory(settings)
        render_notice(settings.deployment, settings.privacy, language="en", format="text")


def read_many_here(draw: random.Random, count: int) -> Outcome:
    """Read so many in this process."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(count):
            case = hostile(draw, Path(folder))
            said = io.StringIO()
            try:
                with contextlib.redirect_stderr(said), errors_in_one_sentence():
                    read_here(case)
                outcome.accepted += 1
            except SystemExit:
                outcome.refused += 1
                if not said.getvalue() or not all(map(str.isprintable, said.getvalue().splitlines())):
                    outcome.tracebacks.append(f"not for people: {said.getvalue()[:200]!r}")
            except Exception:  # noqa: BLE001 - this is what is counted
                outcome.tracebacks.append(traceback.format_exc())
    return outcome


def run_many(draw: random.Random, count: int, *, timeout_s: float = 120.0) -> Outcome:
    """Give so many to the command itself, with no more memory than a device has."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(count):
            case = hostile(draw, Path(folder))
            environment = {key: value for key, value in os.environ.items() if key not in case.gone}
            done = subprocess.run(
                [sys.executable, "-m", "agent", *(word.replace("\0", "") for word in case.arguments)],
                env={**environment, **case.environment, "PYTHONPATH": str(ROOT)},
                cwd=ROOT, capture_output=True, check=False, timeout=timeout_s,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30)),
            )  # fmt: skip
            said = done.stderr.decode("utf-8", "replace")
            if "Traceback" in said or done.returncode < 0:
                outcome.tracebacks.append(
                    f"{said}\n{said.strip().splitlines()[-1:]} of {case.arguments[:6]!r}"[-3_000:]
                )
            elif done.returncode:
                outcome.refused += 1
            else:
                outcome.accepted += 1
    return outcome


if __name__ == "__main__":
    here, children, seed = (int(word) for word in sys.argv[1:])
    draw = random.Random(seed)  # noqa: S311 - no secret
    for name, outcome in (
        ("in one process", read_many_here(draw, here)),
        ("by the command", run_many(draw, children)),
    ):
        sys.stdout.write(f"{name}: {outcome}\n")
        sys.stdout.write("".join(outcome.tracebacks[:3]))
