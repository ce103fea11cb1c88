"""The bench's figures for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from rich.console import Console

    from agent.commands.bench.figures import Figures
    from agent.commands.bench.measured import Played, Several, Still


def print_figures(figures: Figures, console: Console) -> None:
    """Print all tables, then the summary."""
    tables = [_candidates(figures), _pipeline(figures)]
    if (one := figures.pipeline.get("1")) is not None:
        tables.append(_stages(one))
    if figures.still is not None:
        tables.append(_still(figures.still))
    if figures.several:
        tables.append(_several(figures.several))
    for table in tables:
        console.print(table)
        console.print()
    for line in _summary(figures):
        console.print(line)


def _table(title: str, words: tuple[str, ...], numbers: tuple[str, ...]) -> Table:
    """Columns of words, then of numbers."""
    table = Table(title=title, title_justify="left")
    for column in words:
        table.add_column(column)
    for column in numbers:
        table.add_column(column, justify="right")
    return table


def _candidates(figures: Figures) -> Table:
    words, numbers = ("network", "backend", "precision"), ("p50 ms", "p95 ms", "agreement")
    table = _table("One run of each network", words, numbers)
    table.add_column("verdict", overflow="fold")
    for row in figures.choice.rows:
        trial = row.trial
        backend = trial.backend if trial.device == "cpu" else f"{trial.backend} ({trial.device})"
        told = [_number(trial.ms, 2), _number(trial.p95_ms, 2), _number(trial.agreement, 3)]
        style = "bold green" if row.chosen else ""
        table.add_row(trial.network or "all", backend, trial.precision, *told, row.verdict, style=style)
    return table


def _pipeline(figures: Figures) -> Table:
    options = figures.options
    pace = "as fast as possible" if options.fps is None else f"camera at {options.fps:g} fps"
    latency = ("faces", "fps", "p50 ms", "p95 ms", "p99 ms")
    table = _table(
        f"Whole pipeline, 640x480, budget {options.budget_ms:g} ms, {pace}",
        (),
        (*latency, "dropped", "votes/frame", "tier changes", "CPU s/hour", "RSS MB"),
    )
    for faces, result in figures.pipeline.items():
        table.add_row(
            faces,
            f"{result.fps:.0f}",
            *(f"{ms:.1f}" for ms in (result.p50_ms, result.p95_ms, result.p99_ms)),
            str(result.dropped),
            f"{result.classifications_per_frame:.2f}",
            str(result.tier_changes),
            _number(result.cpu_s_per_hour, 0),
            f"{result.rss_mb:.0f}",
        )
    return table


def _stages(result: Played) -> Table:
    total_ms = sum(result.stages_ms.values())
    table = _table(f"Where one frame with one face goes ({total_ms:.2f} ms)", ("stage",), ("ms", "share"))
    for stage, spent_ms in result.stages_ms.items():
        table.add_row(stage, f"{spent_ms:.3f}", f"{spent_ms / max(total_ms, 1e-9):.0%}")
    return table


def _still(still: Still) -> Table:
    title = f"An hour of an empty room at {still.fps:g} fps, from memory, in processor seconds"
    costs = ("capture", "pipeline", "CPU s/hour", "share", "pipeline alone", "frames processed")
    table = _table(title, ("motion gate",), costs)
    shares = (f"{still.share:.1%}", f"{still.detection_share:.1%}")
    for name, row, told in (("off", still.every_frame, ("100 %",) * 2), ("on", still.gated, shares)):
        spent_s = (row.capture_cpu_s_per_hour, row.pipeline_cpu_s_per_hour, row.cpu_s_per_hour)
        table.add_row(name, *(f"{s:.0f}" for s in spent_s), *told, f"{row.processed} of {row.frames}")
    return table


def _several(several: Mapping[str, Several]) -> Table:
    table = _table(
        "Several sources in one process, one face each",
        ("load", "source"),
        ("fps", "share", "p50 ms", "p95 ms", "p99 ms", "max ms", "dropped"),
    )
    for load, result in several.items():
        for index, row in enumerate(result.sources):
            rates = (f"{row.fps:.1f}", f"{row.share:.2f}")
            latency = (f"{ms:.1f}" for ms in (row.p50_ms, row.p95_ms, row.p99_ms, row.max_ms))
            table.add_row("" if index else load, row.name, *rates, *latency, str(row.dropped))
    return table


def _summary(figures: Figures) -> list[str]:
    lines = []
    speedup = {key: value for key, value in figures.speedup.items() if value is not None}
    if speedup:
        words = ", ".join(f"{key.replace('_', ' ')} {value:.2f}x" for key, value in speedup.items())
        lines.append(f"INT8 against ONNX Runtime FP32: {words}")
    if figures.overhead_share is not None:
        lines.append(f"All but the networks, one face: {figures.overhead_share:.1%} of an FP32 frame")
    for result in list(figures.pipeline.values())[:1]:
        kept = " with the choice cached" if result.cached else ""
        lines.append(f"Ready in {result.ready_s:.2f} s{kept}, on {result.backend} {result.precision}")
    for load, several in figures.several.items():
        shares = [row.share for row in several.sources]
        worst_ms = max(row.p99_ms for row in several.sources)
        lines.append(
            f"Several sources, {load} at {several.fps:.0f} fps each: shares {min(shares):.2f} to"
            f" {max(shares):.2f} of an equal part ({'fair' if several.fair else 'UNFAIR'}), worst p99"
            f" {worst_ms:.1f} ms ({'in time' if several.in_time else 'OVER BUDGET'})"
        )
    if figures.soak is not None:
        lines.append(
            f"Soak: {figures.soak.frames} frames, RSS {figures.soak.rss_mb:.1f} MB at the end,"
            f" growth of the process's own memory {figures.soak.rss_growth_mb:+.2f} MB"
        )
    return lines


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
