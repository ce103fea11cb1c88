"""Gathers what the page shows and writes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from agent import __version__
from agent.inference.bundle import Bundle, NetworkEntry
from models.evaluation.evaluate import EvaluationReport
from models.evaluation.report.crowd_pictures import LEAST_PX, draw_crowds
from models.evaluation.report.measure import RunLog, measure_expressions, measure_faces
from models.evaluation.report.page import Picture, Section, page
from models.evaluation.report.plots import (
    confusion_plot,
    precision_recall_plot,
    reliability_plot,
    training_plot,
)
from models.evaluation.sheet import ProtocolScores, Sheet, report_tables
from models.evaluation.subject import Subject

PAGE: Final = "index.html"
HEADINGS: Final = {
    "aligned": "Aligned faces by size",
    "nine": "FER+ in nine classes",
    "five": "Five expressions",
    "video": "A clip through the pipeline",
}


def write_report(
    subject: Subject,
    evaluation: EvaluationReport,
    protocols: Mapping[str, ProtocolScores],
    say: Callable[[str], None],
    *,
    folder: Path,
    bundle_dir: Path,
    runs: Sequence[RunLog],
) -> Path:
    """Measure what only the plots need, write ``index.html`` into ``folder`` and return its path.

    The folder is made if it isn't there; ``say`` takes a line per finished step.

    Raises:
        ModelError: Data are missing or broken.
    """
    sections = [_files_section(bundle_dir, evaluation), _expression_section(subject)]
    say("confusion matrices and calibration measured")
    sections.append(_face_section(subject))
    say("precision-recall curves measured, photos drawn")
    for name, scores in protocols.items():
        sections.append(Section(name, HEADINGS[name], sheets=tuple(scores.sheets())))
    if runs:
        curves = tuple(Picture(training_plot(log), f"{log.name}: {len(log.epochs)} epochs") for log in runs)
        sections.append(Section("training", "Training", "", curves))
    bound = "" if subject.limit is None else f" At most {subject.limit} pictures of each kind were judged."
    lead = (
        f"emotion-agent {__version__}: plots are of {subject.detector.name} and {subject.classifier.name},"
        f" {subject.classifier.file.precision}, ONNX Runtime.{bound} Expressions are estimates of what people"
        " would call a face, not of what anybody feels. The photos are for research use: keep this page to"
        " yourself."
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / PAGE
    path.write_text(page("Evaluation of the networks", lead, sections), encoding="utf-8")
    return path


def _files_section(bundle_dir: Path, evaluation: EvaluationReport) -> Section:
    text = "FP32 beside INT8: measured now with ONNX Runtime, then as the manifest records every file."
    networks = Bundle.load(bundle_dir).manifest.networks
    recorded = (_recorded(name, entry) for name, entry in networks.items())
    return Section("files", "FP32 and INT8", text, sheets=(*report_tables(evaluation), *recorded))


def _recorded(name: str, entry: NetworkEntry) -> Sheet:
    """What ``manifest.toml`` says of each file of a network."""
    kinds = tuple(dict.fromkeys(kind for file in entry.files for kind in file.scores))
    rows = tuple(
        (
            f"{file.backend} {file.precision}",
            file.sha256[:12],
            *(f"{file.scores[kind]:.4f}" if kind in file.scores else "" for kind in kinds),
        )
        for file in entry.files
    )
    return Sheet(f"{name}, in the manifest", ("file", "sha256", *kinds), rows)


def _expression_section(subject: Subject) -> Section:
    scores, reliability = measure_expressions(subject)
    unknown_below = subject.classifier.entry.unknown_below
    pictures = (
        Picture(
            confusion_plot(scores.eight),
            f"Eight classes: {scores.eight.accuracy:.2%} right. Share of each true class, number of faces.",
            width="half",
        ),
        Picture(
            confusion_plot(scores.report),
            f"Nine classes, unknown too where the network is unsure: {scores.report.accuracy:.2%} right.",
            width="half",
        ),
        Picture(
            reliability_plot(reliability, unknown_below),
            f"Reliability: how often the network is right when it is so sure. Below {unknown_below:.2f} a"
            " reading is called unknown.",
            width="half",
        ),
    )
    classes = scores.eight.sheet("Eight classes")
    return Section("expressions", "Expressions", "The FER+ test split.", pictures, (classes,))


def _face_section(subject: Subject) -> Section:
    curves = measure_faces(subject)
    caption = "Precision against recall on crowds at IoU 0.5, by least face height at the network's input."
    pictures = [Picture(precision_recall_plot(curves), caption)]
    pictures += [
        Picture(
            photo.jpeg,
            f"{photo.found} found, {photo.missed} missed, {photo.invented} invented",
            kind="jpeg",
            width="third",
        )
        for photo in draw_crowds(subject.detector, subject.data.crowds, subject.seed, subject.score_threshold)
    ]
    text = (
        f"Photos: detections from score {subject.score_threshold:.2f}. Green: a face found. Red: none there."
        f" Yellow: a face missed, where it is {LEAST_PX:.0f} px high or more at the network's input."
    )
    return Section("faces", "Faces", text, tuple(pictures))
