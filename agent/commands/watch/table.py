"""The live table of a fleet: one row per camera, worst news first to see in colour."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import TYPE_CHECKING, Final

from rich import box
from rich.table import Table
from rich.text import Text

from agent.errors import printable
from agent.fleet import DeviceView, FleetView, SeenCounts, SourceView

if TYPE_CHECKING:
    from rich.console import JustifyMethod

_BARS: Final = "▁▂▃▄▅▆▇█"
_SUPPRESSED_BAR: Final = "·"
_COLOURS: Final = {
    "ok": "green",
    "online": "green",
    "starting": "cyan",
    "ended": "cyan",
    "degraded": "yellow",
    "over_budget": "yellow",
    "silent": "red",
    "no_camera": "red",
    "offline": "red",
}
_ALWAYS: Final = 0
_COLUMNS: Final[tuple[tuple[str, JustifyMethod, int], ...]] = (
    ("site", "left", _ALWAYS),
    ("device", "left", _ALWAYS),
    ("source", "left", _ALWAYS),
    ("state", "left", _ALWAYS),
    ("people", "right", _ALWAYS),
    ("dominant", "left", _ALWAYS),
    ("coverage", "right", 92),
    ("gaps", "right", 92),
    ("p99 ms", "right", 100),
    ("queue", "right", 100),
    ("people per window", "left", 120),
)
"""Heading, alignment, and the width of the screen in characters from which the column is shown."""


def fleet_table(
    fleet: FleetView, now_s: float, width: int = 160, max_rows: int | None = None, title: str | None = None
) -> Table:
    """The table as it stands at monotonic ``now_s``, on a screen of ``width`` characters.

    Narrow screens lose columns, never the names of devices; rows beyond ``max_rows`` are summed up below.
    """
    rows = list(fleet.rows())
    table = Table(
        title=None if title is None else Text(title),
        caption=Text(_caption(fleet, now_s, hidden=len(rows) - len(rows[:max_rows]))),
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
    )
    shown = [width >= least for _, _, least in _COLUMNS]
    for name, justify, _ in compress(_COLUMNS, shown):
        table.add_column(name, justify=justify, no_wrap=True)
    for device, source, view in rows[:max_rows]:
        table.add_row(*compress(_cells(device, source, view, now_s), shown))
    return table


def _caption(fleet: FleetView, now_s: float, hidden: int) -> str:
    devices = fleet.devices.values()
    offline = sum(device.state(now_s) == "offline" for device in devices)
    malformed = sum(device.malformed for device in devices) + fleet.refused
    parts = [f"{len(devices)} devices, {offline} offline, {fleet.messages} messages"]
    if malformed:
        parts.append(f"{malformed} not understood")
    if hidden:
        parts.append(f"{hidden} rows hidden: enlarge the window, or use --site and --device")
    return "; ".join(parts)


def line(device: DeviceView, source: str, view: SourceView, now_s: float) -> str:
    """One row as plain text, for output that is no terminal."""
    cells = [cell.plain for cell in _cells(device, source, view, now_s)]
    return "  ".join(f"{name} {cell or '-'}" for (name, _, _), cell in zip(_COLUMNS, cells, strict=True))


def sparkline(totals: Sequence[int | None]) -> str:
    """One character per window; a dot for a suppressed one."""
    top = max((number for number in totals if number is not None), default=0)
    steps = len(_BARS) - 1
    return "".join(
        _SUPPRESSED_BAR if number is None else _BARS[round(steps * number / top) if top else 0]
        for number in totals
    )


def _cells(device: DeviceView, source: str, view: SourceView, now_s: float) -> list[Text]:
    state = device.state(now_s)
    window = view.last
    health = device.health
    p99_ms = None if health is None else health.latency_ms.p99
    late = health is not None and (p99_ms or 0.0) > (health.budget_ms or float("inf"))
    return [
        Text(printable(device.site)),
        Text(printable(device.device), style="bold"),
        Text(printable(source)),
        Text(state, style=_COLOURS.get(state, "")),
        *map(Text, ("", "", "") if window is None else _told(window)),
        Text(str(view.missing), style="red" if view.missing else ""),
        Text("" if p99_ms is None else f"{p99_ms:.0f}", style="yellow" if late else ""),
        Text("" if health is None else str(health.queue.depth)),
        Text(sparkline(view.totals)),
    ]


def _told(window: SeenCounts) -> tuple[str, str, str]:
    people = "?" if window.total is None else str(window.total)
    if window.people is None and window.total is not None:
        people = f"{window.came_in} in, {window.went_out} out"
    return "suppressed" if window.suppressed else people, window.dominant, f"{window.coverage:.0%}"
