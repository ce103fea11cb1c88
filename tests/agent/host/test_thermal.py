"""Device readings come from what the board really exposes, and are absent rather than wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.host.thermal import read_device

if TYPE_CHECKING:
    from pathlib import Path


def put(root: Path, **files: str) -> None:
    """Write a file tree; ``__`` in a name stands for a slash."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def zone(root: Path, index: int, kind: str, value: str) -> None:
    put(root, **{f"sys__class__thermal__thermal_zone{index}__type": f"{kind}\n"})
    put(root, **{f"sys__class__thermal__thermal_zone{index}__temp": f"{value}\n"})


def test_this_very_machine_can_be_read() -> None:
    readings = read_device()
    assert 1.0 < readings.rss_mb < 4_096.0
    assert readings.cpu_temp_c is None or -60.0 < readings.cpu_temp_c < 150.0


def test_a_board_without_sensors_gives_none(tmp_path: Path) -> None:
    readings = read_device(tmp_path)
    assert (readings.cpu_temp_c, readings.throttled, readings.throttle_reasons) == (None, None, ())


def test_the_processor_zone_is_preferred_to_others(tmp_path: Path) -> None:
    zone(tmp_path, 0, "gpu-thermal", "71000")
    zone(tmp_path, 1, "CPU-therm", "48312")
    assert read_device(tmp_path).cpu_temp_c == 48.3


def test_a_chip_sensor_is_used_where_there_is_no_zone(tmp_path: Path) -> None:
    put(
        tmp_path,
        sys__class__hwmon__hwmon2__name="k10temp\n",
        sys__class__hwmon__hwmon2__temp1_input="55125\n",
    )
    assert read_device(tmp_path).cpu_temp_c == 55.1


@pytest.mark.parametrize("value", ["-127000", "65535000", "n/a", ""])
def test_a_sensor_that_talks_nonsense_is_passed_over(tmp_path: Path, value: str) -> None:
    zone(tmp_path, 0, "cpu-thermal", value)
    assert read_device(tmp_path).cpu_temp_c is None


@pytest.mark.parametrize(
    ("word", "reasons"),
    [
        ("0", ()),
        ("50000", ()),
        ("50005", ("under-voltage", "throttled")),
        ("8", ("soft temperature limit",)),
        ("f", ("under-voltage", "frequency capped", "throttled", "soft temperature limit")),
    ],
)
@pytest.mark.parametrize(
    "place",
    [
        "sys__devices__platform__soc__soc:firmware",
        "sys__devices__platform__soc@107c000000__107c000000.soc:firmware",
    ],
)
def test_the_pi_says_why_it_is_held_back_now(
    tmp_path: Path, place: str, word: str, reasons: tuple[str, ...]
) -> None:
    """Bits that only tell of the past don't count."""
    put(tmp_path, **{f"{place}__get_throttled": f"{word}\n"})
    readings = read_device(tmp_path)
    assert readings.throttle_reasons == reasons
    assert readings.throttled is bool(reasons)


@pytest.mark.parametrize(("state", "throttled"), [("0", False), ("3", True)])
def test_other_boards_are_throttled_while_a_cooler_slows_the_processor(
    tmp_path: Path, state: str, *, throttled: bool
) -> None:
    put(
        tmp_path,
        sys__class__thermal__cooling_device0__type="pwm-fan\n",
        sys__class__thermal__cooling_device0__cur_state="4\n",
        sys__class__thermal__cooling_device1__type="thermal-cpufreq-0\n",
        sys__class__thermal__cooling_device1__cur_state=f"{state}\n",
    )
    assert read_device(tmp_path).throttled is throttled
