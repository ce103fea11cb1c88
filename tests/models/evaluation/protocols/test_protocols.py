"""Each protocol judges what its report judged, and prints the report's figures beside its own."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain import EMOTIONS, LABELS, Box, Face
from agent.errors import ModelError
from agent.settings import DetectorSettings
from models.data.ferplus import FerPlus
from models.evaluation.protocols.aligned import (
    ANY_SCORE,
    CANVAS_PX,
    PUBLISHED,
    SIZES_PX,
    AlignedScores,
    ReaderScores,
    SingleStage,
    TwoStage,
    judge,
    readers,
)
from models.evaluation.protocols.five import BASELINES, FIVE, FiveScores, fit_and_guess, oriented_gradients
from models.evaluation.protocols.nine import ClassReport, NineScores
from models.evaluation.subject import EvaluationData, Subject, load_subject, sample_indices
from models.scores.aligned import on_canvas
from tests.support.network_fixtures import FACE, SCENE, ScriptedNetwork, empty_maps, loaded, put_face
from tests.support.places import ROOT

if TYPE_CHECKING:
    from numpy.typing import NDArray


DATA = ROOT.parent / "shared" / "data"
GIVEN = EvaluationData(DATA)
HAPPY, SAD = EMOTIONS.index("happiness"), EMOTIONS.index("sadness")


class ReaderOfCanvases:
    """Sees the face that is there, with a score and an expression of the test's choice."""

    name = "scripted"

    def __init__(
        self, score: float = 0.9, shift_px: float = 0.0, expression: int = HAPPY, margin: float = 0.0
    ) -> None:
        self.score = score
        self.margin = margin
        self.shift_px = shift_px
        self.shares = tuple(float(index == expression) for index in range(len(EMOTIONS)))

    def read(self, pixels: NDArray[np.uint8]) -> list[Face]:
        rows, columns = np.flatnonzero(pixels.any(axis=(1, 2))), np.flatnonzero(pixels.any(axis=(0, 2)))
        left, top = columns[0] + self.shift_px, rows[0]
        edge = self.margin * rows.size
        box = Box(left + edge, top + edge, left + columns.size - edge, top + rows.size - edge)
        return [Face(box, self.score, self.shares)]


def faces(*labels: int) -> FerPlus:
    votes = np.zeros((len(labels), 10), np.uint8)
    votes[np.arange(len(labels)), labels] = 10
    return FerPlus(np.full((len(labels), 48, 48), 200, np.uint8), votes)


@pytest.mark.parametrize("size_px", SIZES_PX)
def test_face_lies_in_the_middle_of_a_black_canvas(size_px: int) -> None:
    pixels, square = on_canvas(np.full((48, 48), 200, np.uint8), size_px, CANVAS_PX)
    assert pixels.shape == (CANVAS_PX, CANVAS_PX, 3)
    assert np.count_nonzero(pixels) == 3 * size_px**2
    assert (square.left, square.right) == (square.top, square.bottom)
    assert square.width == size_px
    assert square.left + square.right == CANVAS_PX


def test_right_expressions_are_counted_at_every_size() -> None:
    scores = judge(ReaderOfCanvases(), faces(HAPPY, HAPPY, SAD, HAPPY), 0.4)
    assert scores.found == dict.fromkeys(SIZES_PX, 1.0)
    assert scores.right == dict.fromkeys(SIZES_PX, 0.75)


def test_box_beside_the_face_is_a_missed_face_and_a_wrong_expression() -> None:
    scores = judge(ReaderOfCanvases(shift_px=30.0), faces(HAPPY), 0.4)
    assert scores.found == {size: float(size > 90) for size in SIZES_PX}
    assert scores.right == scores.found


@pytest.mark.parametrize(("margin", "found", "filling"), [(0.0, 1.0, 1.0), (0.2, 1.0, 0.0), (0.4, 0.0, 0.0)])
def test_an_exact_box_of_a_loosely_cut_face_is_found_and_a_part_of_a_face_is_not(
    margin: float, found: float, filling: float
) -> None:
    """The margin is the share of the picture on either side of the face."""
    scores = judge(ReaderOfCanvases(margin=margin), faces(HAPPY), 0.4)
    assert set(scores.found.values()) == {found}
    assert set(scores.filling.values()) == {filling}


def test_detection_below_the_threshold_is_none_but_is_shown_apart() -> None:
    scores = judge(ReaderOfCanvases(score=0.3), faces(HAPPY), 0.4)
    assert scores.found == scores.right == dict.fromkeys(SIZES_PX, 0.0)
    assert scores.right_any_score == dict.fromkeys(SIZES_PX, 1.0)


def classifier(label: str) -> ScriptedNetwork:
    logits = np.full((1, len(LABELS)), -2.0, np.float32)
    logits[0, LABELS.index(label)] = 4.0
    return ScriptedNetwork(FACE, [logits])


def test_two_stages_crop_what_the_detector_found_and_leave_unknown_out() -> None:
    maps = empty_maps()
    put_face(maps[0], row=3, column=3, logits=[3.0], reach=1.0)
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[20:36, 20:36] = 77
    scripted = classifier("unknown")
    reader = TwoStage(
        loaded(ScriptedNetwork(SCENE, maps)),
        loaded(scripted, task="emotion", labels=LABELS, head="logits"),
        DetectorSettings(),
    )
    (face,) = reader.read(pixels)
    assert face.box == Box(20.0, 20.0, 36.0, 36.0)
    assert (scripted.seen[-1] == 77).all()
    assert face.emotion_scores == pytest.approx([1 / 8] * 8)


def test_single_stage_network_of_a_bundle_is_judged_beside_the_two_stages() -> None:
    maps = empty_maps(channels=12)
    put_face(maps[0], row=3, column=3, logits=[-4.0, 3.0, *[-4.0] * 6], reach=1.0)
    alone = loaded(ScriptedNetwork(SCENE, maps), task="face_emotion", labels=EMOTIONS)
    face_only = loaded(ScriptedNetwork(SCENE, empty_maps()))
    namer = loaded(classifier("happiness"), task="emotion", labels=LABELS, head="logits")
    both = readers(Subject(GIVEN, face_only, namer, (alone,)), ANY_SCORE)
    assert [type(reader) for reader in both] == [TwoStage, SingleStage]
    (face,) = both[1].read(np.zeros((64, 64, 3), np.uint8))
    assert face.emotion_scores is not None
    assert int(np.argmax(face.emotion_scores)) == HAPPY
    assert [type(reader) for reader in readers(Subject(GIVEN, alone, namer, (alone,)), ANY_SCORE)] == [
        SingleStage
    ]


def test_aligned_scores_print_the_published_means_and_whose_labels_they_are_on() -> None:
    shares = dict.fromkeys(SIZES_PX, 0.5) | {48: 0.0}
    scores = AlignedScores(
        4, 0.4, "fp32", "net", {"two stages: a": ReaderScores(shares, shares, shares, shares)}
    )
    expressions, found = scores.sheets()
    means = {row[0]: row[-1] for row in expressions.rows}
    assert means["two stages: a"] == "40.00%"
    assert sorted(means[f"published: {name}"] for name in PUBLISHED) == [
        "40.85%",
        "49.36%",
        "50.29%",
        "73.28%",
    ]
    assert "FER+ votes" in expressions.note
    assert "FER2013" in expressions.note
    assert len(found.rows) == 2
    assert json.loads(json.dumps(scores.as_json()))["readers"]["two stages: a"]["right"][
        "mean"
    ] == pytest.approx(0.4)


def test_precision_recall_and_f1_are_those_of_the_confusion() -> None:
    report = ClassReport(("a", "b", "c"), np.array([[6, 2, 0], [1, 1, 0], [0, 0, 0]]))
    figures = report.per_class()
    assert figures["a"] == pytest.approx((6 / 7, 6 / 8, 12 / 15, 8))
    assert figures["b"] == pytest.approx((1 / 3, 1 / 2, 2 / 5, 2))
    assert figures["c"] == (0.0, 0.0, 0.0, 0)
    assert report.accuracy == pytest.approx(0.7)
    assert report.mean(weighted=True)[2] == pytest.approx(0.8 * 0.8 + 0.2 * 0.4)
    assert report.mean(weighted=False)[2] == pytest.approx((0.8 + 0.4) / 3)


def test_nine_and_five_print_their_reports_figures() -> None:
    eight = ClassReport(EMOTIONS, np.eye(8, dtype=np.int64))
    nine = NineScores("net", ClassReport(LABELS, np.eye(9, dtype=np.int64)), eight, eight)
    assert [row[1:3] for row in nine.sheets()[1].rows] == [
        ("1.0000", "1.0000"),
        ("0.7895", "0.6046"),
        ("", "0.5853"),
    ]
    assert [row[2] for row in nine.sheets()[2].rows] == ["100.00% of 8", "84.99%"]
    five = FiveScores({"net": ClassReport(FIVE, np.eye(5, dtype=np.int64))}, 10)
    assert [row[1] for row in five.sheets()[0].rows] == ["100.00%", "78.27%", "41.08%", "51.17%"]
    for scores in (nine, five):
        json.dumps(scores.as_json())


@given(st.integers(0, 200), st.one_of(st.none(), st.integers(1, 300)), st.integers(0, 9))
def test_subset_is_as_large_as_asked_sorted_without_repeats_and_the_same_again(
    count: int, limit: int | None, seed: int
) -> None:
    chosen = sample_indices(count, limit, seed)
    assert len(chosen) == (count if limit is None else min(count, limit))
    assert (np.diff(chosen) > 0).all()
    assert ((chosen >= 0) & (chosen < count)).all()
    assert (chosen == sample_indices(count, limit, seed)).all()


def test_gradients_see_direction_and_neither_brightness_nor_contrast() -> None:
    ramp = np.tile(np.arange(48, dtype=np.uint8), (48, 1))
    across, along, brighter = (
        oriented_gradients(image[None].astype(np.uint8)) for image in (ramp, ramp.T, 2 * ramp + 90)
    )
    assert across.shape == (1, 5 * 5 * 4 * 9)
    assert np.allclose(across, brighter, atol=1e-3)
    strongest = across.reshape(-1, 9).argmax(axis=1), along.reshape(-1, 9).argmax(axis=1)
    assert set(strongest[0]) <= {0, 8}
    assert set(strongest[1]) == {4}


@pytest.mark.slow
@pytest.mark.parametrize("name", BASELINES)
def test_baselines_learn_what_can_be_told_apart(name: str) -> None:
    pytest.importorskip("sklearn", reason="the baselines need the extra [train]")
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 2, 60)
    stripes = np.indices((48, 48))[:, None] // 6 % 2 * 120
    images = (stripes[truth, 0] + generator.integers(0, 60, (60, 48, 48))).astype(np.uint8)
    guess = fit_and_guess(name, images[:40], truth[:40], images[40:], seed=0)
    assert (guess == truth[40:]).all()


@pytest.mark.parametrize(
    ("detector", "classifier_name", "words"),
    [
        ("mobilenet_emotion", "mobilenet_emotion", "--detector"),
        ("yolo_face_pico", "yolo_face_pico", "--classifier"),
        ("absent", "mobilenet_emotion", "absent"),
    ],
)
def test_wrong_network_is_named_with_the_option_to_change(
    detector: str, classifier_name: str, words: str
) -> None:
    with pytest.raises(ModelError, match=words):
        load_subject(
            ROOT / "models" / "bundle",
            GIVEN,
            detector=detector,
            classifier=classifier_name,
            precision="fp32",
        )


def test_entry_of_the_manifest_can_be_named_instead_of_its_family() -> None:
    subject = load_subject(
        ROOT / "models" / "bundle",
        GIVEN,
        detector="yolo_face_pico_224",
        classifier="mobilenet_emotion",
        precision="int8_u8s8",
    )
    assert subject.detector.entry.input.height_px == 224
    assert subject.detector.file.precision == "int8_u8s8"


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data")
def test_protocols_run_on_the_shipped_bundle_and_print_one_json_object() -> None:
    pytest.importorskip("sklearn", reason="the baselines need the extra [train]")
    names = ("aligned", "nine", "five", "video")
    options = [option for name in names for option in ("--protocol", name)]
    command = [sys.executable, "-m", "models", "evaluate", *options, "--limit", "2", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert tuple(found) == names
    assert found["aligned"]["faces"] == found["nine"]["faces"] == found["video"]["windows"] == 2
