"""The report page holds everything inside itself and shows what was measured."""

from __future__ import annotations

import subprocess
import sys
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from agent.domain import LABELS, Box, Face
from models.data.scenes import LabelledPhoto
from models.evaluation.protocols.nine import ClassReport
from models.evaluation.report.crowd_pictures import FOUND_BGR, INVENTED_BGR, MISSED_BGR, draw_crowds, matched
from models.evaluation.report.measure import BINS, Curve, read_run, reliability
from models.evaluation.report.page import Picture, Section, page
from models.evaluation.sheet import Sheet
from models.scores.faces import Judged, average_precision, precision_recall
from tests.support.network_fixtures import SCENE, ScriptedNetwork, empty_maps, loaded, put_face
from tests.support.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


DATA = ROOT.parent / "shared" / "data"


class Links(HTMLParser):
    """Collects what a page would fetch, and checks that its tags are balanced."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.anchors: set[str] = set()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.targets += [named[key] or "" for key in ("src", "href") if key in named]
        self.anchors |= {named["id"] or ""} if "id" in named else set()
        if tag not in {"img", "meta", "link", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read(html: str) -> Links:
    links = Links()
    links.feed(html)
    assert links.open == []
    return links


def test_page_fetches_nothing_and_its_links_lead_somewhere() -> None:
    sheet = Sheet("A <table>", ("name", "share"), (("ours", "<1 %"), ("published: theirs", "2 %")), "a note")
    parts = [
        Section("one", "First & last", "Some text", (Picture(b"\x89PNG", "a <plot>"),), (sheet,)),
        Section("two", "Second", pictures=(Picture(b"\xff\xd8", "a photo", kind="jpeg", width="third"),)),
    ]
    html = page("A title", "What it is", parts)
    links = read(html)
    assert [target for target in links.targets if not target.startswith(("data:image/", "#"))] == []
    assert {target[1:] for target in links.targets if target.startswith("#")} == links.anchors
    assert "<script" not in html
    assert "A &lt;table&gt;" in html
    assert "a &lt;plot&gt;" in html
    assert html.count('class="published"') == 1
    for text in ("First &amp; last", "Some text", "a note", "&lt;1 %", "2 %"):
        assert text in html


def test_curve_ends_in_the_area_that_the_scores_state() -> None:
    faces = np.array([[0, 0, 20, 20], [40, 40, 60, 60]], np.float32)
    boxes = np.array([[0, 0, 20, 20], [80, 80, 99, 99], [40, 40, 60, 60]], np.float32)
    judged = [Judged(faces, boxes, np.array([0.9, 0.8, 0.7], np.float32))]
    precision, recall = precision_recall(judged, 8)
    assert precision.tolist() == pytest.approx([1.0, 0.5, 2 / 3])
    assert recall.tolist() == [0.5, 0.5, 1.0]
    assert average_precision(judged, 8) == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert [len(part) for part in precision_recall(judged, 30)] == [0, 0]


def test_reliability_compares_confidence_with_the_share_that_was_right() -> None:
    sure = np.array([0.99] * 4 + [0.51] * 2)
    right = np.array([True, True, True, False, True, False])
    measured = reliability(sure, right)
    assert measured.faces.sum() == 6
    assert measured.accuracy[BINS - 1] == pytest.approx(0.75)
    assert measured.confidence[BINS - 1] == pytest.approx(0.99)
    assert measured.expected_error == pytest.approx((4 * 0.24 + 2 * 0.01) / 6)
    assert reliability(np.ones(1), np.ones(1, bool)).expected_error == 0.0


def test_each_true_face_is_found_once_at_most() -> None:
    truth = [Box(0, 0, 20, 20), Box(40, 0, 60, 20)]
    found = [Face(Box(1, 0, 21, 20), 0.9), Face(Box(0, 0, 20, 20), 0.8), Face(Box(40, 0, 60, 21), 0.7)]
    assert matched(found, truth) == [0, None, 1]
    assert matched(found, []) == [None, None, None]


def test_photos_show_what_was_found_missed_and_invented() -> None:
    maps = empty_maps()
    put_face(maps[0], row=3, column=3, logits=[3.0], reach=1.0)
    faces = np.array([[20, 20, 36, 36], [40, 40, 60, 60], [2, 2, 5, 5]], np.float32)
    grey = np.full((64, 64, 3), 100, np.uint8)
    nothing = np.zeros((0, 4), np.float32)
    elsewhere = faces + np.array([24, 0, 24, 0], np.float32)
    photos = [LabelledPhoto("hit", grey, faces, nothing), LabelledPhoto("miss", grey, elsewhere, nothing)]
    hit, miss = draw_crowds(loaded(ScriptedNetwork(SCENE, maps)), photos, seed=0, score_threshold=0.4)
    assert (hit.found, hit.missed, hit.invented) == (1, 1, 0)
    assert (miss.found, miss.missed, miss.invented) == (0, 2, 1)
    picture = cv2.imdecode(np.frombuffer(miss.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    near = {
        colour: np.abs(picture.astype(int) - colour).max(axis=2).min() < 40
        for colour in (FOUND_BGR, INVENTED_BGR, MISSED_BGR)
    }
    assert near == {FOUND_BGR: False, INVENTED_BGR: True, MISSED_BGR: True}


@pytest.mark.slow
def test_plots_are_png_pictures(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="plots need the extra [train]")
    from models.evaluation.report import plots  # noqa: PLC0415 - only with the extra

    (tmp_path / "log.csv").write_text("epoch,loss,score,seconds\n1,0.9,0.1,5\n2,0.8,0.2,5\n")
    curve = Curve(np.array([1.0, 0.5]), np.array([0.2, 0.4]), 0.4)
    empty = Curve(np.zeros(0), np.zeros(0), float("nan"))
    made = [
        plots.confusion_plot(ClassReport(LABELS, np.eye(9, dtype=np.int64))),
        plots.precision_recall_plot({"ours": {8: curve, 16: empty}, "YuNet": {8: curve, 16: empty}}),
        plots.reliability_plot(reliability(np.array([0.2, 0.9]), np.array([False, True])), 0.35),
        plots.training_plot(read_run(tmp_path)),
    ]
    for png in made:
        assert png.startswith(b"\x89PNG")
        picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture.std() > 5


def test_log_of_a_run_is_parted_into_losses_and_scores(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("epoch,box_loss,score,seconds\n3,0.9,0.1,5\n4,0.8,0.2,5\n")
    log = read_run(tmp_path)
    assert (log.name, log.epochs) == (tmp_path.name, (3.0, 4.0))
    assert (log.losses, log.scores) == ({"box_loss": (0.9, 0.8)}, {"score": (0.1, 0.2)})


@pytest.mark.parametrize("content", [None, "", "epoch,loss\n", "epoch,loss\n1,much\n", "epoch,loss\n1\n"])
def test_log_that_cannot_be_read_is_named_with_a_remedy(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "log.csv").write_text(content)
    with pytest.raises(ValueError, match=r"log\.csv.*--run"):
        read_run(tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data")
def test_command_writes_one_file_with_every_section(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="plots need the extra [train]")
    run = tmp_path / "emotion-7"
    run.mkdir()
    (run / "log.csv").write_text("epoch,loss,score,seconds\n1,0.9,0.1,5\n2,0.8,0.2,5\n")
    folder = tmp_path / "report"
    options = ["--report", str(folder), "--run", str(run), "--protocol", "nine", "--limit", "5"]
    command = [sys.executable, "-m", "models", "evaluate", *options, "--detector", "yolo_face_pico_224"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert str(folder / "index.html") in done.stdout.replace("\n", "")
    assert [path.name for path in folder.iterdir()] == ["index.html"]
    html = (folder / "index.html").read_text(encoding="utf-8")
    links = read(html)
    assert links.anchors == {"files", "expressions", "faces", "nine", "training"}
    assert sum(target.startswith("data:image/png") for target in links.targets) == 5
    assert sum(target.startswith("data:image/jpeg") for target in links.targets) == 6
    assert "emotion-7" in html


@pytest.mark.slow
def test_run_without_a_log_is_one_sentence_before_anything_is_measured(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="plots need the extra [train]")
    options = ["--report", str(tmp_path / "r"), "--run", str(tmp_path / "absent")]
    command = [sys.executable, "-m", "models", "evaluate", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: can't read")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "r").exists()
