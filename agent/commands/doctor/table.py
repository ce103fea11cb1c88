"""The doctor's report for people: facts first, then every candidate and why it won or lost."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

    from agent.commands.doctor.formats import SourceFormats
    from agent.commands.doctor.report import Report
    from agent.inference.choice import Choice

NOT_TOLD = "not told by this board"


def print_report(report: Report, console: Console) -> None:
    """Print all parts."""
    facts = Table(title="This device", show_header=False, title_justify="left", box=None, pad_edge=False)
    facts.add_column(style="bold")
    facts.add_column(overflow="fold")
    for key, value in (*_device_rows(report), *_surroundings(report), *_backend_rows(report)):
        facts.add_row(key, Text(value))  # text, for markup would swallow "[openvino]"
    console.print(facts)
    for source in report.formats:
        console.print()
        print_formats(source, console)
    if report.choice is not None and report.choice.rows:
        console.print()
        console.print(_candidates(report.choice))
    console.print()
    for line in _conclusion(report):
        console.print(line, markup=False)


def print_formats(source: SourceFormats, console: Console) -> None:
    """Print one camera's formats and what follows from them."""
    if source.trials:
        console.print(_formats(source))
    console.print(source.conclusion, markup=False)


def _device_rows(report: Report) -> list[tuple[str, str]]:
    device = report.device
    memory = "" if device.memory_mb is None else f", {device.memory_mb} MB memory"
    throttled = NOT_TOLD if device.throttled is None else "no"
    if device.throttled:
        throttled = f"yes: {', '.join(device.throttle_reasons)}"
    temperature = NOT_TOLD if device.cpu_temp_c is None else f"{device.cpu_temp_c:.0f} °C"
    return [
        ("model", f"{device.model}{memory}"),
        ("processor", f"{device.cpu} ({device.machine})"),
        ("cores", f"{device.cores}, of which {device.inference_threads} for inference by default"),
        ("fast INT8", ", ".join(device.eight_bit) or "none: FP32 may be the faster precision"),
        ("vectors", ", ".join(device.vector) or "none that matter"),
        ("temperature", temperature),
        ("throttled", throttled),
    ]


def _surroundings(report: Report) -> list[tuple[str, str]]:
    rows = []
    for camera in report.cameras:
        access = "" if camera.readable else ", not accessible to this user"
        stable = "" if camera.stable_path is None else f", as {camera.stable_path}"
        formats = f" ({', '.join(camera.formats)})" if camera.formats else ""
        rows.append(("camera", f"{camera.path}: {camera.name}{formats}{stable}{access}"))
    if not report.cameras:
        rows.append(("camera", "no /dev/video* on this machine"))
    rows.append(("camera process", report.camera_process))
    rows += [
        (f"source {source.name}", f"{'ok' if source.ok else 'PROBLEM'}: {source.detail}")
        for source in report.sources
    ]
    if report.broker is None:
        rows.append(("broker", "not looked for: give --config"))
    else:
        state = f"reachable in {report.broker.ms:g} ms" if report.broker.reachable else "NOT REACHABLE"
        rows.append(("broker", f"{report.broker.address} {state}: {report.broker.detail}"))
    return rows


def _backend_rows(report: Report) -> list[tuple[str, str]]:
    words = [f"{name} {version or '(not installed)'}" for name, version in report.backends.items()]
    return [("backends", ", ".join(words)), ("bundle", report.bundle), ("signature", report.signature)]


def _formats(source: SourceFormats) -> Table:
    wanted = source.wanted
    title = (
        f"Formats of source {source.source} for {wanted.width_px}x{wanted.height_px} at {wanted.fps:g} fps"
    )
    table = Table(title=title, title_justify="left")
    for column in ("format", "the driver's words", "size"):
        table.add_column(column)
    for column in ("offered fps", "fps", "CPU ms/frame", "of a core"):
        table.add_column(column, justify="right")
    table.add_column("verdict", overflow="fold")
    for trial in source.trials:
        table.add_row(
            trial.mode.fourcc,
            trial.description,
            f"{trial.mode.width_px}x{trial.mode.height_px}",
            f"{trial.mode.fps:g}",
            _number(trial.delivered_fps, 1),
            _number(trial.cpu_ms, 2),
            "" if trial.load is None else f"{trial.load:.1%}",
            Text(trial.verdict),
            style="bold green" if trial.chosen else "",
        )
    return table


def _candidates(choice: Choice) -> Table:
    """Every candidate under its network; narrow enough for a terminal of 80 columns."""
    title = "Candidates" + (" (measured at an earlier start)" if choice.cached else "")
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("backend and precision", no_wrap=True)
    for column in ("ms", "p95 ms", "agrees"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("verdict", overflow="fold")
    networks = dict.fromkeys(row.trial.network for row in choice.rows)
    for network in sorted(networks, key=operator.not_):  # a backend that failed for all stands last
        table.add_row(network or "all networks", style="bold")
        for row in (row for row in choice.rows if row.trial.network == network):
            trial = row.trial
            device = "" if trial.device in {"", "cpu"} else f" on {trial.device}"
            table.add_row(
                f"  {trial.backend} {trial.precision}{device}".rstrip(),
                _number(trial.ms, 2),
                _number(trial.p95_ms, 2),
                _number(trial.agreement, 3),
                Text(row.verdict),
                style="bold green" if row.chosen else "" if trial.outcome == "agrees" else "red",
            )
    return table


def _conclusion(report: Report) -> list[str]:
    choice = report.choice
    if choice is None:
        return [f"The agent can't start: {report.problem}"]
    tier = choice.detectors[choice.start_tier]
    speed = "" if tier.ms is None else f", {tier.ms:.2f} ms"
    lines = [f"The agent starts with {tier.network} on {tier.backend} {tier.precision}{speed}."]
    if len(choice.detectors) > 1:
        names = ", ".join(pick.network for pick in choice.detectors)
        lines.append(f"It moves between {names} as the load asks.")
    if not choice.rows:
        lines.append("Backend and precision are pinned by the configuration: nothing was tried.")
    if not choice.fits:
        lines.append(
            f"None fits the budget of {report.budget_ms:g} ms: raise latency.budget_ms or take a faster box."
        )
    return lines


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
