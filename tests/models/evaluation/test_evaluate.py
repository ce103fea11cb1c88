"""The evaluation's JSON keeps its shape; its tables show what was measured; bad input is one sentence."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from models.evaluation.evaluate import EvaluationReport
from models.evaluation.sheet import report_tables
from models.scores.runtime import PortraitScores
from tests.support.places import ROOT

if TYPE_CHECKING:
    from pathlib import Path

AP50 = {"8": 0.4, "12": 0.5, "16": 0.6, "24": 0.7}
EMOTION = {"accuracy8": 0.83, "weighted_f1_9": 0.8, "macro_f1_9": 0.6}


def report(yunet: dict[str, float] | None = None) -> EvaluationReport:
    precisions = ("fp32", "int8_u8s8", "int8_s8s8")
    return EvaluationReport(
        emotion=dict.fromkeys(precisions, EMOTION),
        face=dict.fromkeys(precisions, AP50),
        face_input_px=320,
        yunet=yunet,
        run_ms={"yolo_face_pico_320": {"fp32": 3.25, "int8_u8s8": 1.5}},
        portraits={"fp32": PortraitScores(7, 0.95, {"neutral": 0.9}, 0.88)},
    )


def test_json_has_exactly_the_published_shape() -> None:
    precisions = ["fp32", "int8_u8s8", "int8_s8s8"]
    assert json.loads(json.dumps(report().as_json())) == {
        "emotion": dict.fromkeys(precisions, EMOTION),
        "face": {precision: {"ap50": AP50} for precision in precisions},
    }


def printed(evaluation: EvaluationReport) -> str:
    console = Console(width=120, record=True, file=io.StringIO())
    for table in report_tables(evaluation):
        console.print(table)
    return console.export_text()


def test_tables_show_all_that_was_measured() -> None:
    text = printed(report({"8": 0.493, "12": 0.590, "16": 0.696, "24": 0.819}))
    for figure in ("0.600", "0.696", "YuNet", "83.00%", "0.8000", "95.0%", "90.0%", "3.25", "1.50"):
        assert figure in text


def test_absent_peer_has_no_row() -> None:
    assert "YuNet" not in printed(report())


@pytest.mark.slow
@pytest.mark.parametrize("option", ["--data", "--bundle"])
def test_missing_folder_is_one_sentence_with_exit_code_3(option: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "models", "evaluate", option, str(tmp_path / "absent")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert "absent" in done.stderr
