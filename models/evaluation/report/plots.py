"""Plots as PNG files in memory; matplotlib without its global state."""

from __future__ import annotations

import io
from typing import Final

import numpy as np

from agent.errors import ModelError

try:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
except ImportError as missing:
    raise ModelError(
        f"the report's plots need {missing.name}: install it with pip install 'emotion-agent[train]'"
    ) from missing

from collections.abc import Mapping

from matplotlib.axes import Axes

from models.evaluation.protocols import ClassReport
from models.evaluation.report.measure import Curve, Reliability, RunLog

DOTS_PER_INCH: Final = 130
INK: Final = "#1f2933"
FAINT: Final = "#cbd2d9"
OURS: Final = "#1565c0"
OTHERS: Final = "#c2571a"
LINES: Final = ("#1565c0", "#c2571a", "#2e7d32", "#6a3d9a", "#8d6e00", "#00838f", "#ad1457", "#5d4037")


def confusion_plot(report: ClassReport) -> bytes:
    """Share of each true class called so, its number below."""
    counts = report.counts
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(6.4, 5.6), layout="constrained", dpi=DOTS_PER_INCH)
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    ticks = range(len(report.labels))
    axes.set_xticks(ticks, report.labels, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(ticks, report.labels)
    axes.set_xlabel("called")
    axes.set_ylabel("by the taggers' majority")
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for row in ticks:
        for column in ticks:
            if counts[row, column]:
                colour = "white" if shares[row, column] > 0.55 else INK  # noqa: PLR2004 - on a dark cell
                text = f"{shares[row, column]:.0%}\n{counts[row, column]}"
                axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=7)
    return _png(figure)


def precision_recall_plot(curves: Mapping[str, Mapping[int, Curve]]) -> bytes:
    """One panel per least face height, one line per detector."""
    heights = list(next(iter(curves.values())))
    figure = Figure(figsize=(12.4, 4.0), layout="constrained", dpi=DOTS_PER_INCH)
    panels = np.atleast_1d(figure.subplots(1, len(heights), sharey=True))
    for panel, height in zip(panels, heights, strict=True):
        for by_height, colour in zip(curves.values(), (OURS, OTHERS), strict=False):
            curve = by_height[height]
            panel.plot(curve.recall, curve.precision, color=colour, label=f"AP50 {curve.area:.3f}")
        panel.set_title(f"faces of {height} px and more", fontsize=10)
        panel.set_xlim(0.0, 1.0)
        panel.set_ylim(0.0, 1.02)
        panel.set_xlabel("recall")
        panel.legend(loc="lower left", fontsize=8, frameon=False)
        _plain(panel)
    panels[0].set_ylabel("precision")
    figure.legend(
        panels[0].get_lines(), list(curves), loc="outside upper center", ncols=len(curves), frameon=False
    )
    return _png(figure)


def reliability_plot(measured: Reliability, unknown_below: float) -> bytes:
    """Accuracy against confidence, and how many faces lie where."""
    figure = Figure(figsize=(5.6, 5.6), layout="constrained", dpi=DOTS_PER_INCH)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3.2, 1.0))
    edges = np.linspace(0.0, 1.0, len(measured.faces) + 1)
    middles, width = (edges[:-1] + edges[1:]) / 2, edges[1]
    seen = measured.faces > 0
    upper.bar(middles[seen], measured.accuracy[seen], 0.9 * width, color=OURS, alpha=0.35)
    upper.plot(measured.confidence[seen], measured.accuracy[seen], "o-", color=OURS, markersize=4)
    upper.plot((0, 1), (0, 1), color=INK, linewidth=0.8, linestyle=":")
    upper.set_xlim(0.0, 1.0)
    upper.set_ylim(0.0, 1.02)
    upper.set_ylabel("share right")
    upper.set_title(f"expected calibration error {measured.expected_error:.3f}", fontsize=10)
    lower.bar(middles, measured.faces, 0.9 * width, color=FAINT)
    lower.set_ylabel("faces")
    lower.set_xlabel("confidence")
    for panel in (upper, lower):
        if unknown_below > 0.0:
            panel.axvline(unknown_below, color=OTHERS, linewidth=1.0, linestyle="--")
        _plain(panel)
    if unknown_below > 0.0:
        upper.text(unknown_below - 0.01, 0.98, "unknown", color=OTHERS, fontsize=8, ha="right", va="top")
    return _png(figure)


def training_plot(log: RunLog) -> bytes:
    """Losses on the left, scores on the right, epoch by epoch."""
    parts = [(name, curves) for name, curves in (("loss", log.losses), ("score", log.scores)) if curves]
    figure = Figure(figsize=(12.4, 3.7), layout="constrained", dpi=DOTS_PER_INCH)
    panels = np.atleast_1d(figure.subplots(1, max(1, len(parts))))
    for panel, (name, curves) in zip(panels, parts, strict=False):
        for index, (column, values) in enumerate(curves.items()):
            marker = "." if len(values) == 1 else ""
            panel.plot(log.epochs, values, marker=marker, color=LINES[index % len(LINES)], label=column)
        panel.set_xlabel("epoch")
        panel.set_ylabel(name)
        panel.legend(fontsize=8, frameon=False)
        _plain(panel)
    return _png(figure)


def _plain(axes: Axes) -> None:
    axes.grid(color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(file, format="png")
    return file.getvalue()
