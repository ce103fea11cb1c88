"""The evaluation report as tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from models.runtime_scores import FACE_HEIGHTS_PX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from models.evaluate import EvaluationReport


def report_tables(report: EvaluationReport) -> Iterator[Table]:
    """One table per question: faces, expressions, both together, milliseconds."""
    yield _faces(report)
    yield _emotions(report)
    yield _portraits(report)
    yield _times(report.run_ms)


def _faces(report: EvaluationReport) -> Table:
    table = Table(title=f"AP50 on crowds at {report.face_input_px} px, by least face height")
    table.add_column("detector")
    for height in FACE_HEIGHTS_PX:
        table.add_column(f"≥ {height} px", justify="right")
    rows = {f"ours {precision}": scores for precision, scores in report.face.items()}
    if report.yunet is not None:
        rows["YuNet fp32"] = report.yunet
    for name, scores in rows.items():
        table.add_row(name, *(f"{scores[str(height)]:.3f}" for height in FACE_HEIGHTS_PX))
    return table


def _emotions(report: EvaluationReport) -> Table:
    table = Table(title="FER+ test split")
    for column in ("classifier", "accuracy, 8 classes", "weighted F1, 9", "macro F1, 9"):
        table.add_column(column, justify="left" if column == "classifier" else "right")
    for precision, scores in report.emotion.items():
        table.add_row(
            precision,
            f"{scores['accuracy8']:.2%}",
            f"{scores['weighted_f1_9']:.4f}",
            f"{scores['macro_f1_9']:.4f}",
        )
    return table


def _portraits(report: EvaluationReport) -> Table:
    table = Table(title="Portraits of unseen people, detector and classifier together")
    table.add_column("")
    for precision in report.portraits:
        table.add_column(precision, justify="right")
    results = list(report.portraits.values())
    table.add_row("portraits", *(str(scores.portraits) for scores in results))
    table.add_row("faces found", *(f"{scores.found_share:.1%}" for scores in results))
    table.add_row("accuracy", *(f"{scores.accuracy_all:.1%}" for scores in results))
    names = list(results[0].accuracy) if results else []
    for name in names:
        table.add_row(f"  {name}", *(f"{scores.accuracy.get(name, float('nan')):.1%}" for scores in results))
    return table


def _times(run_ms: Mapping[str, Mapping[str, float]]) -> Table:
    precisions = list(dict.fromkeys(precision for times in run_ms.values() for precision in times))
    table = Table(title="Milliseconds per run, ONNX Runtime, one thread, median")
    table.add_column("network")
    for precision in precisions:
        table.add_column(precision, justify="right")
    for name, times in run_ms.items():
        table.add_row(name, *(f"{times[p]:.2f}" if p in times else "" for p in precisions))
    return table
