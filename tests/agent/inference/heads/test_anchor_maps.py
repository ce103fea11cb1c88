"""Raw maps with anchors, and heads that give landmarks too, decode to what their definition says."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import ModelError
from agent.inference.bundle.manifest import InputSpec
from agent.inference.heads.decoding import make_decoder
from agent.inference.heads.layout import find_layout
from tests.support.network_fixtures import make_entry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

STRIDES = (8, 16, 32)
SPEC = InputSpec(height_px=64, width_px=96, colour="RGB")
SIZE = (64, 96)
ANCHORS = tuple(float(number) for number in range(4, 22))
"""Nine pairs: 4×5 px to 20×21 px."""

Expected = list[tuple[float, tuple[float, ...]]]


def sigmoid(value: float) -> float:
    return 1.0 / (1.0 + math.exp(-value))


def random_maps(seed: int, channels: int) -> list[NDArray[np.float32]]:
    """1×3×h×w×channels per stride."""
    generator = np.random.default_rng(seed)
    return [
        generator.normal(0.0, 2.0, (1, 3, SPEC.height_px // s, SPEC.width_px // s, channels)).astype(
            np.float32
        )
        for s in STRIDES
    ]


def naive_decode(maps: Sequence[NDArray[np.float32]], classes: int, first: int, threshold: float) -> Expected:
    """One anchor of one cell at a time, straight from the definition."""
    found: Expected = []
    for level, (raw, stride) in enumerate(zip(maps, STRIDES, strict=True)):
        for anchor, row, column in np.ndindex(raw.shape[1:4]):
            cell = [sigmoid(float(value)) for value in raw[0, anchor, row, column]]
            score = cell[4] * max(cell[first : first + classes])
            if score < threshold:
                continue
            anchor_width, anchor_height = ANCHORS[6 * level + 2 * anchor : 6 * level + 2 * anchor + 2]
            x, y = (2 * cell[0] - 0.5 + column) * stride, (2 * cell[1] - 0.5 + row) * stride
            width, height = (2 * cell[2]) ** 2 * anchor_width, (2 * cell[3]) ** 2 * anchor_height
            box = (
                max(x - width / 2, 0.0),
                max(y - height / 2, 0.0),
                min(x + width / 2, SPEC.width_px),
                min(y + height / 2, SPEC.height_px),
            )
            if box[2] > box[0] and box[3] > box[1]:
                found.append((score, box))
    return sorted(found, key=lambda item: -item[0])


def side_by_side(raw: NDArray[np.float32]) -> NDArray[np.float32]:
    """1×3×h×w×K as 1×3K×h×w."""
    _, anchors, rows, columns, channels = raw.shape
    return np.ascontiguousarray(raw.transpose(0, 1, 4, 2, 3).reshape(1, anchors * channels, rows, columns))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([(1, 0), (1, 10), (1, 15), (8, 0)]), st.floats(0.05, 0.95))
def test_maps_decode_as_defined_in_both_their_forms(
    seed: int, kind: tuple[int, int], threshold: float
) -> None:
    classes, landmarks = kind
    maps = random_maps(seed, 5 + classes + landmarks)
    first = 15 if landmarks == 10 else 5
    expected = naive_decode(maps, classes, first, threshold)
    entry = make_entry(SPEC, labels=tuple("abcdefgh"[:classes]), anchors=ANCHORS)
    for outputs in (maps, [side_by_side(raw) for raw in maps]):
        layout = find_layout(entry, [raw.shape for raw in outputs])
        assert (layout.head, layout.unused, layout.first_class) == ("yolo_anchor_maps", landmarks, first)
        found = make_decoder(layout, SIZE, candidate_limit=10_000).decode(outputs, threshold)
        assert np.allclose(found.scores, [score for score, _ in expected], atol=1e-5)
        assert np.allclose(sorted(found.boxes.tolist()), sorted(box for _, box in expected), atol=1e-2)
        assert (found.class_scores is None) == (classes == 1)


def test_order_of_the_outputs_does_not_matter() -> None:
    maps = random_maps(1, 6)
    entry = make_entry(SPEC, anchors=ANCHORS)
    decoded = []
    for order in ((0, 1, 2), (2, 0, 1)):
        outputs = [maps[index] for index in order]
        layout = find_layout(entry, [raw.shape for raw in outputs])
        decoded.append(sorted(make_decoder(layout, SIZE).decode(outputs, 0.5).boxes.tolist()))
    assert decoded[0] == decoded[1]


def test_crowd_of_candidates_is_cut_to_the_best_ones() -> None:
    maps = random_maps(3, 6)
    layout = find_layout(make_entry(SPEC, anchors=ANCHORS), [raw.shape for raw in maps])
    few = make_decoder(layout, SIZE, candidate_limit=20).decode(maps, 0.1)
    all_ = make_decoder(layout, SIZE, candidate_limit=5_000).decode(maps, 0.1)
    assert len(few.scores) == 20 < len(all_.scores)
    assert few.scores.tolist() == all_.scores[:20].tolist()


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf, 3e38])
def test_broken_network_yields_no_nan_and_no_exception(poison: float) -> None:
    maps = random_maps(0, 6)
    for raw in maps:
        raw[0, 0] = poison
        raw[0, 1, 0, :, 4:] = 9.0
        raw[0, 1, 0, :, 1:3] = poison
    layout = find_layout(make_entry(SPEC, anchors=ANCHORS), [raw.shape for raw in maps])
    found = make_decoder(layout, SIZE).decode(maps, 0.4)
    assert np.isfinite(found.boxes).all()
    assert ((found.scores >= 0) & (found.scores <= 1)).all()


def test_empty_scene_gives_no_boxes() -> None:
    maps = [np.full_like(raw, -9.0) for raw in random_maps(0, 13)]
    layout = find_layout(make_entry(SPEC, labels=tuple("abcdefgh"), anchors=ANCHORS), [m.shape for m in maps])
    found = make_decoder(layout, SIZE).decode(maps, 0.4)
    assert found.boxes.shape == (0, 4)
    assert found.class_scores is not None
    assert found.class_scores.shape == (0, 8)


@pytest.mark.parametrize(
    ("anchors", "channels"), [((), 6), (ANCHORS[:12], 6), (ANCHORS[:5], 6), (ANCHORS, 7)], ids=str
)
def test_maps_without_their_anchors_are_refused(anchors: tuple[float, ...], channels: int) -> None:
    shapes = [raw.shape for raw in random_maps(0, channels)]
    with pytest.raises(ModelError, match=f"1x3x8x12x{channels}"):
        find_layout(make_entry(SPEC, anchors=anchors), shapes)


@pytest.mark.parametrize(
    ("channels", "transposed", "head", "first_class"),
    [
        (20, False, "yolo_fused", 4),
        (15, True, "yolo_fused", 4),
        (16, True, "yolo_anchor", 15),
        (21, True, "yolo_anchor", 5),
    ],
)
def test_landmarks_beside_one_class_are_passed_over(
    *, channels: int, transposed: bool, head: str, first_class: int
) -> None:
    cells = 12 * 8 + 6 * 4 + 3 * 2
    table = np.full((cells, channels), 0.97, np.float32)
    table[:, :4] = (5, 5, 4, 4)
    if head == "yolo_anchor":
        table[:, 4] = 0.9
    table[:, first_class] = 0.1
    table[17, [0, 1, 2, 3, first_class]] = (30, 40, 20, 10, 0.8)
    output = (table if transposed else table.T)[None]
    layout = find_layout(make_entry(SPEC), [output.shape])
    assert (layout.head, layout.transposed or head == "yolo_anchor") == (head, transposed)
    found = make_decoder(layout, SIZE).decode([output], 0.4)
    assert found.boxes.tolist() == [[20, 35, 40, 45]]
    assert found.scores.tolist() == [pytest.approx(0.72 if head == "yolo_anchor" else 0.8)]


def test_landmarks_are_not_guessed_beside_several_classes() -> None:
    with pytest.raises(ModelError):
        find_layout(make_entry(SPEC, labels=("a", "b")), [(1, 126, 2 + 5 + 10)])
