"""Raw outputs become the boxes that a slow and obvious decoder would find, and never a NaN."""

from __future__ import annotations

import math
from dataclasses import astuple
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.boxes import pairwise_iou
from agent.detector import Detector
from agent.errors import ModelError
from agent.inference.backends.onnx_runtime import OnnxRuntimeNetwork
from agent.inference.bundle.content import NetworkContent
from agent.inference.bundle.manifest import InputSpec
from agent.inference.heads.decoding import make_decoder, suppress
from agent.inference.heads.detections import Detections
from agent.inference.heads.layout import Layout, find_layout
from agent.inference.network import LoadedNetwork
from agent.settings import DetectorSettings
from tests.support.network_fixtures import SCENE, empty_maps, make_entry, make_frame
from tests.support.places import PEERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

PEER = PEERS / "yolov8-lite-t.onnx"
STRIDES = (8, 16, 32)
WIDE = InputSpec(height_px=64, width_px=96, colour="BGR")
HEAD_320 = InputSpec(height_px=320, width_px=320, colour="BGR")

Expected = list[tuple[float, tuple[float, ...]]]


def random_maps(seed: int, channels: int, spec: InputSpec) -> list[NDArray[np.float32]]:
    generator = np.random.default_rng(seed)
    return [
        generator.normal(0.0, 3.0, (1, channels, spec.height_px // s, spec.width_px // s)).astype(np.float32)
        for s in STRIDES
    ]


def naive_distances(cell: NDArray[np.float32], head: str, classes: int) -> list[float]:
    if head == "yolo_ltrb":
        return [max(0.0, float(value)) for value in cell[classes : classes + 4]]
    distances = []
    for side in range(4):
        weights = [math.exp(float(bin_)) for bin_ in cell[16 * side : 16 * side + 16]]
        distances.append(sum(i * weight for i, weight in enumerate(weights)) / sum(weights))
    return distances


def naive_decode(
    maps: Sequence[NDArray[np.float32]], head: str, classes: int, spec: InputSpec, threshold: float
) -> Expected:
    """One cell at a time, straight from the definition."""
    found: Expected = []
    first_logit = 64 if head == "yolo_dfl" else 0
    for raw, stride in zip(maps, STRIDES, strict=True):
        for row in range(raw.shape[2]):
            for column in range(raw.shape[3]):
                cell = raw[0, :, row, column]
                logit = max(float(value) for value in cell[first_logit : first_logit + classes])
                score = 1.0 / (1.0 + math.exp(-logit))
                if score < threshold:
                    continue
                left, top, right, bottom = (d * stride for d in naive_distances(cell, head, classes))
                x, y = (column + 0.5) * stride, (row + 0.5) * stride
                box = (
                    min(max(x - left, 0.0), spec.width_px),
                    min(max(y - top, 0.0), spec.height_px),
                    min(max(x + right, 0.0), spec.width_px),
                    min(max(y + bottom, 0.0), spec.height_px),
                )
                if box[2] > box[0] and box[3] > box[1]:
                    found.append((score, box))
    return sorted(found, key=lambda item: -item[0])


@settings(max_examples=40)
@given(
    st.integers(0, 10_000),
    st.sampled_from([("yolo_ltrb", 1, 5), ("yolo_ltrb", 8, 12), ("yolo_dfl", 1, 80), ("yolo_dfl", 3, 67)]),
    st.sampled_from([SCENE, WIDE]),
    st.floats(0.05, 0.95),
)
def test_map_decoder_agrees_with_the_definition(
    seed: int, head: tuple[str, int, int], spec: InputSpec, threshold: float
) -> None:
    name, classes, channels = head
    maps = random_maps(seed, channels, spec)
    decoder = make_decoder(Layout(name, classes, STRIDES), (spec.height_px, spec.width_px))
    found = decoder.decode(maps, threshold)
    expected = naive_decode(maps, name, classes, spec, threshold)
    assert len(found.scores) == len(expected)
    if expected:
        assert np.allclose(found.scores, [score for score, _ in expected], atol=1e-5)
        assert np.allclose(sorted(found.boxes.tolist()), sorted(box for _, box in expected), atol=1e-2)


def random_boxes(seed: int, count: int) -> Detections:
    generator = np.random.default_rng(seed)
    corners = generator.uniform(0, 60, (count, 2))
    boxes = np.hstack((corners, corners + generator.uniform(0, 40, (count, 2)))).astype(np.float32)
    scores = np.sort(generator.uniform(0, 1, count).astype(np.float32))[::-1]
    return Detections(boxes, scores, None)


def naive_iou(a: Sequence[float], b: Sequence[float]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return width * height / union


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(0, 200), st.floats(0.1, 0.9), st.integers(0, 120))
def test_suppression_keeps_what_greedy_search_keeps(
    seed: int, count: int, threshold: float, limit: int
) -> None:
    found = random_boxes(seed, count)
    kept: list[list[float]] = []
    for box in found.boxes.tolist():
        if len(kept) < limit and all(naive_iou(box, other) <= threshold for other in kept):
            kept.append(box)
    assert suppress(found, threshold, limit).boxes.tolist() == kept


@given(st.integers(0, 10_000), st.integers(0, 20), st.integers(0, 20))
def test_pairwise_overlap_is_a_share(seed: int, rows: int, columns: int) -> None:
    first, second = random_boxes(seed, rows).boxes, random_boxes(seed + 1, columns).boxes
    overlaps = pairwise_iou(first, second)
    assert overlaps.shape == (rows, columns)
    for i in range(rows):
        for j in range(columns):
            assert overlaps[i, j] == pytest.approx(naive_iou(first[i], second[j]), abs=1e-4)


def test_two_empty_boxes_do_not_overlap() -> None:
    point = np.array([[5, 5, 5, 5]], np.float32)
    assert pairwise_iou(point, point).tolist() == [[0.0]]


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf, 3e38])
@pytest.mark.parametrize("channels", [5, 80])
def test_broken_network_yields_no_nan_and_no_exception(poison: float, channels: int) -> None:
    maps = empty_maps(channels=channels)
    for raw in maps:
        raw[0, :, 0, :] = poison
        raw[0, 0 if channels == 5 else 64, 1, :] = 4.0
        raw[0, 1:4, 1, :] = poison
    entry = make_entry(SCENE)
    with np.errstate(all="ignore"):
        layout = find_layout(entry, [raw.shape for raw in maps])
        found = suppress(make_decoder(layout, (64, 64)).decode(maps, 0.4), 0.5, 100)
    assert np.isfinite(found.boxes).all()
    assert ((found.scores >= 0) & (found.scores <= 1)).all()


def test_crowd_of_candidates_is_cut_to_the_best_ones() -> None:
    maps = random_maps(3, 5, HEAD_320)
    decoder = make_decoder(Layout("yolo_ltrb", 1, STRIDES), (320, 320), candidate_limit=50)
    unlimited = make_decoder(Layout("yolo_ltrb", 1, STRIDES), (320, 320), candidate_limit=5_000)
    few, all_ = decoder.decode(maps, 0.1), unlimited.decode(maps, 0.1)
    assert 0 < len(few.scores) <= 50 < len(all_.scores)
    assert few.scores.tolist() == all_.scores[: len(few.scores)].tolist()


@pytest.mark.parametrize(
    ("labels", "shapes", "head"),
    [
        (1, [(1, 5, 40, 40), (1, 5, 20, 20), (1, 5, 10, 10)], "yolo_ltrb"),
        (1, [(1, 5, 10, 10), (1, 5, 20, 20), (1, 5, 40, 40)], "yolo_ltrb"),
        (8, [(1, 12, 40, 40), (1, 12, 20, 20), (1, 12, 10, 10)], "yolo_ltrb"),
        (1, [(1, 65, 40, 40), (1, 65, 20, 20), (1, 65, 10, 10)], "yolo_dfl"),
        (1, [(1, 80, 40, 40), (1, 80, 20, 20), (1, 80, 10, 10)], "yolo_dfl"),
        (1, [(1, 5, 2100)], "yolo_fused"),
        (1, [(1, 2100, 5)], "yolo_fused"),
        (8, [(1, 12, 2100)], "yolo_fused"),
        (1, [(1, 2100, 6)], "yolo_anchor"),
        (1, [(1, 6300, 6)], "yolo_anchor"),
        (8, [(1, 6300, 13)], "yolo_anchor"),
    ],
)
def test_head_is_recognised_by_its_shapes(labels: int, shapes: list[tuple[int, ...]], head: str) -> None:
    entry = make_entry(HEAD_320, labels=tuple(f"label{i}" for i in range(labels)))
    assert find_layout(entry, shapes).head == head
    named = make_entry(HEAD_320, labels=entry.labels, head=head)
    assert find_layout(named, shapes) == find_layout(entry, shapes)


@pytest.mark.parametrize(
    "shapes",
    [
        [],
        [(1, 300, 6)],
        [(1, 84, 2100)],
        [(1, 5, 40, 40), (1, 5, 20, 20)],
        [(1, 5, 40, 40), (1, 5, 20, 20), (1, 5, 20, 20)],
        [(1, 5, 40, 40), (1, 6, 20, 20), (1, 5, 10, 10)],
        [(2, 5, 40, 40), (2, 5, 20, 20), (2, 5, 10, 10)],
        [(1, 3, 40, 40, 6), (1, 3, 20, 20, 6), (1, 3, 10, 10, 6)],
    ],
    ids=str,
)
def test_unknown_outputs_are_refused_naming_the_shapes_seen(shapes: list[tuple[int, ...]]) -> None:
    with pytest.raises(ModelError) as refusal:
        find_layout(make_entry(HEAD_320), shapes)
    for shape in shapes:
        assert "x".join(map(str, shape)) in str(refusal.value)


def test_head_named_in_the_manifest_must_fit_the_outputs() -> None:
    maps = [(1, 5, 40, 40), (1, 5, 20, 20), (1, 5, 10, 10)]
    with pytest.raises(ModelError, match="yolo_dfl"):
        find_layout(make_entry(HEAD_320, head="yolo_dfl"), maps)


def test_outputs_in_another_order_decode_to_the_same_boxes() -> None:
    maps = random_maps(1, 5, SCENE)
    entry = make_entry(SCENE)
    decoded = []
    for order in ((0, 1, 2), (2, 0, 1)):
        arranged = [maps[i] for i in order]
        layout = find_layout(entry, [raw.shape for raw in arranged])
        decoded.append(make_decoder(layout, (64, 64)).decode(arranged, 0.5))
    assert sorted(decoded[0].boxes.tolist()) == sorted(decoded[1].boxes.tolist())


def rows_for(score: float, other: float) -> NDArray[np.float32]:
    """84 cells, of which one holds a 20×10 box around (30, 40)."""
    table = np.zeros((84, 5), np.float32)
    table[:, :4] = (5, 5, 4, 4)
    table[:, 4] = other
    table[17] = (30, 40, 20, 10, score)
    return table


@pytest.mark.parametrize("transposed", [False, True])
def test_fused_rows_are_centres_and_sizes_with_finished_scores(*, transposed: bool) -> None:
    table = rows_for(0.9, 0.1)
    output = (table if transposed else table.T)[None]
    layout = find_layout(make_entry(SCENE), [output.shape])
    found = make_decoder(layout, (64, 64)).decode([output], 0.4)
    assert found.boxes.tolist() == [[20, 35, 40, 45]]
    assert found.scores.tolist() == [pytest.approx(0.9)]


def test_anchor_rows_score_objectness_times_class() -> None:
    output = np.hstack((rows_for(0.9, 0.9), np.full((84, 1), 0.2, np.float32)))[None]
    output[0, 17, 5] = 0.8
    layout = find_layout(make_entry(SCENE), [output.shape])
    found = make_decoder(layout, (64, 64)).decode([output], 0.4)
    assert found.boxes.tolist() == [[20, 35, 40, 45]]
    assert found.scores.tolist() == [pytest.approx(0.72)]


@pytest.mark.parametrize("columns", [(5, "yolo_fused"), (6, "yolo_anchor")])
def test_rows_without_a_face_give_no_boxes(columns: tuple[int, str]) -> None:
    output: Any = np.zeros((1, 84, columns[0]), np.float32)
    layout = find_layout(make_entry(SCENE), [output.shape])
    assert layout.head == columns[1]
    assert make_decoder(layout, (64, 64)).decode([output], 0.4).boxes.shape == (0, 4)


def test_foreign_yolov8_finds_the_astronauts_face() -> None:
    """A network made by others, with 16-bin boxes and landmark channels, works as it is."""
    data = pytest.importorskip("skimage.data")
    if not PEER.exists():
        pytest.skip(f"{PEER} is not on this machine")
    spec = InputSpec(height_px=640, width_px=640, colour="RGB", layout="NCHW", dtype="float32", scale=1 / 255)
    entry = make_entry(spec)
    network = OnnxRuntimeNetwork(NetworkContent.read(PEER, "onnxruntime"), entry, threads=1)
    detector = Detector(LoadedNetwork("peer", entry, entry.files[0], network), DetectorSettings())
    (face,) = detector.detect(make_frame(np.ascontiguousarray(data.astronaut()[:, :, ::-1])))
    # The face in the 512×512 picture, by eye.
    assert astuple(face.box) == pytest.approx((180, 60, 270, 175), abs=15)
    assert face.score > 0.7
