"""The live table of a fleet: one row per camera, worst news first to see in colour."""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING, Final

from rich import box
from rich.table import Table
from rich.text import Text

from agent.fleet import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.fleet import DeviceView, FleetView, SeenCounts, SourceView

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
_COLUMNS: Final = (
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


class FleetTable:
    """Renders a :class:`FleetView` with rich."""

    def __init__(self, view: FleetView, title: str = "") -> None:
        self._view = view
        self._title = title

    def render(self, now_s: float, width: int = 160, max_rows: int | None = None) -> Table:
        """The table as it stands at monotonic ``now_s``, on a screen of ``width`` characters.

        Narrow screens lose columns, never the names of devices; rows beyond ``max_rows`` are summed up below.
        """
        title = Text(self._title) if self._title else None
        table = Table(title=title, title_justify="left", caption_justify="left", box=box.SIMPLE_HEAD)
        shown = [width >= least for _, _, least in _COLUMNS]
        for (name, justify, _), visible in zip(_COLUMNS, shown, strict=True):
            if visible:
                table.add_column(name, justify="right" if justify == "right" else "left", no_wrap=True)
        rows = list(self._view.rows())
        for device, source, view in rows[:max_rows]:
            table.add_row(*compress(_cells(device, source, view, now_s), shown))
        table.caption = Text(self._caption(now_s, hidden=len(rows) - len(rows[:max_rows])))
        return table

    def _caption(self, now_s: float, hidden: int) -> str:
        devices = self._view.devices.values()
        offline = sum(device.state(now_s) == "offline" for device in devices)
        malformed = sum(device.malformed for device in devices) + self._view.refused
        parts = [f"{len(devices)} devices, {offline} offline, {self._view.messages} messages"]
        if malformed:
            parts.append(f"{malformed} not understood")
        if hidden:
            parts.append(f"{hidden} rows hidden: enlarge the window, or use --site and --device")
        return "; ".join(parts)


def line(device: DeviceView, source: str, view: SourceView, now_s: float) -> str:
    """One row as plain text, for output that is no terminal."""
    cells = [cell.plain for cell in _cells(device, source, view, now_s)]
    return "  ".join(f"{name} {cell or '-'}" for (name, _, _), cell in zip(_COLUMNS, cells, strict=True))


def sparkline(people: Sequence[int | None]) -> str:
    """One character per window; a dot for a suppressed one."""
    top = max((number for number in people if number is not None), default=0)
    steps = len(_BARS) - 1
    return "".join(
        _SUPPRESSED_BAR if number is None else _BARS[round(steps * number / top) if top else 0]
        for number in people
    )


def _cells(device: DeviceView, source: str, view: SourceView, now_s: float) -> list[Text]:
    state = device.state(now_s)
    window = view.last
    health = device.health
    late = health is not None and (health.latency_ms.p99 or 0.0) > (health.budget_ms or float("inf"))
    return [
        Text(printable(device.site)),
        Text(printable(device.device), style="bold"),
        Text(printable(source)),
        Text(state, style=_COLOURS.get(state, "")),
        Text("" if window is None else _people(window)),
        Text("" if window is None else window.dominant),
        Text("" if window is None else f"{window.coverage:.0%}"),
        Text(str(view.missing), style="red" if view.missing else ""),
        Text("" if health is None else _number(health.latency_ms.p99), style="yellow" if late else ""),
        Text("" if health is None else str(health.queue.depth)),
        Text(sparkline(view.people)),
    ]


def _people(window: SeenCounts) -> str:
    if window.suppressed:
        return "suppressed"
    return "?" if window.people is None else str(window.people)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"
