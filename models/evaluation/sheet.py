"""Results as tables of plain text, for a terminal and the report page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from rich.table import Table

from agent.domain import Json
from models.evaluation.evaluate import EvaluationReport
from models.scores import FACE_HEIGHTS_PX


@dataclass(frozen=True, slots=True)
class Sheet:
    """Finished cells; the first column names the row."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    """As many cells each as there are columns; "" where there is nothing to say."""
    note: str = ""
    """What a reader must know to compare the rows fairly."""

    def __rich__(self) -> Table:
        """As rich prints it."""
        table = Table(title=self.title, caption=self.note or None, caption_justify="left")
        for index, column in enumerate(self.columns):
            table.add_column(column, justify="left" if index == 0 else "right", overflow="fold")
        for row in self.rows:
            table.add_row(*row)
        return table


class ProtocolScores(Protocol):
    """What every protocol ends with."""

    def as_json(self) -> dict[str, Json]:
        """All figures, ours and the published ones."""

    def sheets(self) -> list[Sheet]:
        """Tables for people."""


def report_tables(report: EvaluationReport) -> Iterator[Sheet]:
    """One table per question: faces, expressions, both together, milliseconds."""
    yield _faces(report)
    yield _emotions(report)
    yield _portraits(report)
    yield _times(report.run_ms)


def _faces(report: EvaluationReport) -> Sheet:
    scored = {f"ours {precision}": scores for precision, scores in report.face.items()}
    if report.yunet is not None:
        scored["YuNet fp32"] = report.yunet
    rows = tuple(
        (name, *(f"{scores[str(height)]:.3f}" for height in FACE_HEIGHTS_PX))
        for name, scores in scored.items()
    )
    heights = (f"≥ {height} px" for height in FACE_HEIGHTS_PX)
    title = f"AP50 on crowds at {report.face_input_px} px, by least face height"
    return Sheet(title, ("detector", *heights), rows)


def _emotions(report: EvaluationReport) -> Sheet:
    rows = tuple(
        (name, f"{scores['accuracy8']:.2%}", *(f"{scores[f1]:.4f}" for f1 in ("weighted_f1_9", "macro_f1_9")))
        for name, scores in report.emotion.items()
    )
    columns = ("classifier", "accuracy, 8 classes", "weighted F1, 9", "macro F1, 9")
    return Sheet("FER+ test split", columns, rows)


def _portraits(report: EvaluationReport) -> Sheet:
    results = list(report.portraits.values())
    rows = [
        ("portraits", *(str(scores.portraits) for scores in results)),
        ("faces found", *(f"{scores.found_share:.1%}" for scores in results)),
        ("accuracy", *(f"{scores.accuracy_all:.1%}" for scores in results)),
    ]
    for name in results[0].accuracy if results else ():
        shares = (f"{scores.accuracy.get(name, float('nan')):.1%}" for scores in results)
        rows.append((f"  {name}", *shares))
    title = "Portraits of unseen people, detector and classifier together"
    return Sheet(title, ("", *report.portraits), tuple(rows))


def _times(run_ms: Mapping[str, Mapping[str, float]]) -> Sheet:
    precisions = list(dict.fromkeys(precision for times in run_ms.values() for precision in times))
    rows = tuple(
        (name, *(f"{times[p]:.2f}" if p in times else "" for p in precisions))
        for name, times in run_ms.items()
    )
    return Sheet("Milliseconds per run, ONNX Runtime, one thread, median", ("network", *precisions), rows)
