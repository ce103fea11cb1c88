"""The unit is locked down as promised, and the annotated configuration tells the truth about every key."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from typing import TYPE_CHECKING, Any, Final, get_args

import pytest
from pydantic import BaseModel

from agent.errors import BackendError, ConfigError, ModelError
from agent.settings import AgentSettings, OpenCvSource
from agent.settings.reading import parse_settings
from tests.support.places import SYSTEMD

if TYPE_CHECKING:
    from pathlib import Path

UNIT: Final = SYSTEMD / "emotion-agent.service"
PROVISION: Final = SYSTEMD / "emotion-agent-provision.service"
CONFIG: Final = SYSTEMD / "config.toml"
CAMERAS: Final = ("usb", "pi-csi", "jetson", "rtsp")

needs_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed (apt: systemd)"
)


def directives(path: Path) -> dict[str, list[str]]:
    """``Section.Key`` to all values, in order."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in path.read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(f"{section}.{key.strip()}", []).append(value.strip())
    return found


# --- the unit ---------------------------------------------------------------------------------------------


@pytest.mark.slow
@needs_analyze
@pytest.mark.parametrize("camera", [None, *CAMERAS])
def test_the_exposure_level_stays_at_1_5_or_below(tmp_path: Path, camera: str | None) -> None:
    """Also with a camera's drop-in and a broker's address written into the unit."""
    merged = UNIT.read_text()
    if camera is not None:
        merged += "\n" + (SYSTEMD / "drop-ins" / f"{camera}.conf").read_text()
    merged += "\n[Service]\nIPAddressAllow=192.0.2.7\n"
    unit = tmp_path / UNIT.name
    unit.write_text(merged)
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=15", str(unit)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-400:] + done.stderr


@pytest.mark.slow
@needs_analyze
def test_the_exposure_level_of_provisioning_stays_at_2_5_or_below() -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=25", str(PROVISION)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-400:] + done.stderr


@pytest.mark.slow
@needs_analyze
@pytest.mark.parametrize("shipped", [UNIT, PROVISION], ids=lambda path: path.stem)
def test_systemd_understands_every_line_of_the_units(tmp_path: Path, shipped: Path) -> None:
    unit = tmp_path / shipped.name
    unit.write_text(re.sub(r"(?m)^ExecStart=.*", "ExecStart=/bin/true", shipped.read_text()))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    complaints = [line for line in done.stderr.splitlines() if shipped.name in line]
    assert complaints == []


def test_what_a_restart_can_not_mend_is_not_restarted() -> None:
    codes = directives(UNIT)["Service.RestartPreventExitStatus"][0].split()
    assert {int(code) for code in codes} == {
        ConfigError.exit_code,
        ModelError.exit_code,
        BackendError.exit_code,
    }


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("Service.Type", "notify"),
        ("Service.Restart", "on-failure"),
        ("Service.LimitCORE", "0"),
        ("Service.MemorySwapMax", "0"),
        ("Service.DevicePolicy", "closed"),
        ("Service.IPAddressDeny", "any"),
        ("Service.ProtectSystem", "strict"),
        ("Service.DynamicUser", "yes"),
        ("Service.StateDirectory", "emotion-agent"),
        ("Service.CapabilityBoundingSet", ""),
    ],
)
def test_the_promises_made_to_an_auditor_are_in_the_unit(key: str, value: str) -> None:
    assert directives(UNIT)[key] == [value]


def test_the_unit_is_supervised_by_a_watchdog_with_a_start_limit() -> None:
    unit = directives(UNIT)
    assert unit["Service.WatchdogSec"] == ["30s"]
    assert "Unit.StartLimitBurst" in unit
    assert "Unit.StartLimitIntervalSec" in unit


def test_the_unit_starts_the_command_with_the_installed_configuration() -> None:
    assert directives(UNIT)["Service.ExecStart"] == [
        "/opt/emotion-agent/venv/bin/emotion-agent run --config /etc/emotion-agent/config.toml"
    ]


@pytest.mark.parametrize("camera", CAMERAS)
def test_no_camera_opens_more_than_cameras(camera: str) -> None:
    """A drop-in may add device classes, but neither all devices nor any privilege."""
    added = directives(SYSTEMD / "drop-ins" / f"{camera}.conf")
    allowed = {
        "Service.DeviceAllow", "Service.DevicePolicy", "Service.PrivateDevices", "Service.MemoryMax",
        "Service.SupplementaryGroups", "Service.RestrictAddressFamilies", "Service.BindPaths",
        "Unit.Wants", "Unit.After",
    }  # fmt: skip
    assert set(added) <= allowed
    assert not any("*" in device for device in added.get("Service.DeviceAllow", []))


# --- the configuration ------------------------------------------------------------------------------------


def uncommented() -> dict[str, dict[str, Any]]:
    """Every ``#key = value`` line of the shipped file, by table."""
    table = ""
    found: dict[str, dict[str, Any]] = {}
    for line in CONFIG.read_text().splitlines():
        if line.startswith("["):
            table = line.strip("[]")
        elif match := re.fullmatch(r"#([a-z_0-9]+) = (.+)", line):
            found.setdefault(table, {})[match[1]] = tomllib.loads(f"value = {match[2]}")["value"]
    return found


def model_of(table: str) -> type[BaseModel]:
    if table.startswith("sources."):
        return OpenCvSource
    annotation = AgentSettings.model_fields[table].annotation
    candidates = (annotation, *get_args(annotation))
    return next(c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel))


def test_the_shipped_file_names_what_is_missing_and_nothing_else() -> None:
    """Untouched, it is refused: where the box stands and what it is for is for its owner to say."""
    with pytest.raises(ConfigError) as caught:
        parse_settings(tomllib.loads(CONFIG.read_text()), "config.toml")
    missing = sorted(str(caught.value).splitlines())
    assert [line.split()[1] for line in missing] == [
        "deployment.context",
        "deployment.device",
        "deployment.site",
    ]


def test_every_key_is_explained_in_the_shipped_file() -> None:
    text = CONFIG.read_text()
    tables = {name: model_of(name) for name in AgentSettings.model_fields if name != "sources"}
    models: list[type[BaseModel]] = [*tables.values(), OpenCvSource]
    for model in models:
        for key in model.model_fields:
            assert re.search(rf"(?m)^#?{key} = ", text), f"{model.__name__}.{key}"
    for name in tables:
        assert f"\n[{name}]\n" in text


def test_every_commented_line_shows_the_default_or_says_what_happens_without() -> None:
    for table, keys in uncommented().items():
        model = model_of(table)
        for key, shown in keys.items():
            field = model.model_fields[key]
            if field.is_required() or field.default is None or key in {"exclusion_zones", "trusted_keys"}:
                continue
            assert shown == field.default, f"{table}.{key}"


@pytest.mark.parametrize(
    ("table", "key", "value"), [(t, k, v) for t, keys in uncommented().items() for k, v in keys.items()]
)
def test_every_commented_line_is_accepted_once_uncommented(table: str, key: str, value: object) -> None:
    """The one complaint allowed is about a file that exists on no test machine, or a key's partner."""
    raw = tomllib.loads(CONFIG.read_text())
    raw["deployment"].update(site="museum-north", device="entrance-1", context="museum")
    target = raw
    for part in table.split("."):
        target = target.setdefault(part, {})
    target[key] = value
    if key in {"certificate_file", "key_file"}:
        target.update(certificate_file=value, key_file=value)
    if key == "line":
        target["counting"] = "line"
    if key == "credentials_file":
        target["device"] = "rtsp://192.0.2.9/stream"
    assert [line for line in complaints_about(raw) if "does not exist" not in line] == []


def complaints_about(raw: dict[str, Any]) -> list[str]:
    try:
        parse_settings(raw, "config.toml")
    except ConfigError as error:
        return str(error).splitlines()
    return []
