"""Votes become one smoothed estimate per track; only those who need a fresh vote are classified."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.classifier import Classifier, softmax
from agent.domain import EMOTIONS, LABELS, Box, Track
from agent.errors import ModelError
from agent.inference.bundle.manifest import InputSpec
from agent.settings import ClassifierSettings
from tests.support.network_fixtures import FACE, SCENE, ScriptedNetwork, loaded, make_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.frame import Frame

SETTINGS = ClassifierSettings(revote_ms=500, half_life_ms=1_000, unknown_below=0.0)


def frame() -> Frame:
    return make_frame(np.zeros((100, 100, 3), np.uint8))


def track(track_id: int = 1, *, side: float = 20.0, observed: bool = True, **fields: Any) -> Track:
    return Track(track_id, Box(10, 10, 10 + side, 10 + side), 0.9, observed, **fields)


def answers(probabilities: Sequence[float]) -> ScriptedNetwork:
    """A network whose softmax is ``probabilities``."""
    return ScriptedNetwork(FACE, [np.log(np.array([probabilities], np.float32) + 1e-9)])


def peaked(label: str, share: float = 0.93, labels: Sequence[str] = EMOTIONS) -> list[float]:
    rest = (1 - share) / (len(labels) - 1)
    return [share if name == label else rest for name in labels]


def classifier_of(
    network: ScriptedNetwork, settings: ClassifierSettings = SETTINGS, **fields: Any
) -> Classifier:
    labels = EMOTIONS if network.outputs[0].shape[1] == len(EMOTIONS) else LABELS
    held = loaded(network, **{"task": "emotion", "labels": labels, "head": "logits", **fields})
    return Classifier(held, settings, held.entry.unknown_below)


def test_one_vote_gives_the_networks_answer() -> None:
    classifier = classifier_of(answers(peaked("surprise")))
    classifier.classify(frame(), track(), now_s=5.0)
    (reading,) = classifier.readings([track()])
    assert (reading.track_id, reading.label) == (1, "surprise")
    assert reading.confidence == pytest.approx(0.93, abs=1e-4)


def test_track_without_a_vote_has_no_reading() -> None:
    assert classifier_of(answers(peaked("anger"))).readings([track()]) == []


def test_newest_votes_outweigh_old_ones_by_the_half_life() -> None:
    network = answers(peaked("neutral", 1.0))
    classifier = classifier_of(network)
    classifier.classify(frame(), track(), now_s=0.0)
    network.outputs = answers(peaked("anger", 1.0)).outputs
    classifier.classify(frame(), track(), now_s=1.0)
    (reading,) = classifier.readings([track()])
    assert reading.label == "anger"
    assert reading.confidence == pytest.approx(1 / 1.5, abs=1e-4)


def test_single_odd_vote_does_not_flip_a_settled_estimate() -> None:
    network = answers(peaked("happiness"))
    classifier = classifier_of(network)
    for vote in range(5):
        classifier.classify(frame(), track(), now_s=0.1 * vote)
    network.outputs = answers(peaked("fear")).outputs
    classifier.classify(frame(), track(), now_s=0.5)
    assert classifier.readings([track()])[0].label == "happiness"


def test_every_other_vote_of_a_track_looks_at_the_mirror_image() -> None:
    network = answers(peaked("sadness"))
    classifier = classifier_of(network)
    pixels = np.random.default_rng(0).integers(0, 256, (100, 100, 3), np.uint8)
    for now_s, track_id in enumerate((1, 1, 2, 1)):
        classifier.classify(make_frame(pixels), track(track_id), now_s=float(now_s))
    first, mirrored, stranger, third = (seen[0, :, :, 0] for seen in network.seen)
    assert not np.array_equal(first, first[:, ::-1])
    assert np.array_equal(mirrored, first[:, ::-1])
    assert np.array_equal(stranger, first)
    assert np.array_equal(third, first)


def test_tracks_do_not_share_votes() -> None:
    network = answers(peaked("sadness"))
    classifier = classifier_of(network)
    classifier.classify(frame(), track(1), now_s=0.0)
    network.outputs = answers(peaked("disgust")).outputs
    classifier.classify(frame(), track(2), now_s=0.0)
    assert [reading.label for reading in classifier.readings([track(1), track(2)])] == ["sadness", "disgust"]


@pytest.mark.parametrize(("floor", "label"), [(0.5, "contempt"), (0.7, "unknown")])
def test_unsure_estimate_is_unknown(floor: float, label: str) -> None:
    settings = ClassifierSettings(unknown_below=floor)
    classifier = classifier_of(answers(peaked("contempt", 0.6)), settings)
    classifier.classify(frame(), track(), now_s=0.0)
    (reading,) = classifier.readings([track()])
    assert reading.label == label
    assert reading.confidence == pytest.approx(0.6, abs=1e-4)


def test_calibrated_floor_applies_unless_configured() -> None:
    network = answers(peaked("contempt", 0.6))
    calibrated = classifier_of(network, ClassifierSettings(), unknown_below=0.7)
    calibrated.classify(frame(), track(), now_s=0.0)
    assert calibrated.readings([track()])[0].label == "unknown"
    configured = classifier_of(network, ClassifierSettings(unknown_below=0.2), unknown_below=0.7)
    configured.classify(frame(), track(), now_s=0.0)
    assert configured.readings([track()])[0].label == "contempt"


def test_networks_own_unknown_class_counts() -> None:
    classifier = classifier_of(answers(peaked("unknown", labels=LABELS)))
    classifier.classify(frame(), track(), now_s=0.0)
    assert classifier.readings([track()])[0].label == "unknown"


def test_temperature_softens_the_confidence_only() -> None:
    sharp, soft = (
        classifier_of(answers(peaked("fear", 0.9)), temperature=temperature) for temperature in (1.0, 3.0)
    )
    for classifier in (sharp, soft):
        classifier.classify(frame(), track(), now_s=0.0)
    (before,), (after,) = sharp.readings([track()]), soft.readings([track()])
    assert after.label == before.label == "fear"
    assert after.confidence < before.confidence


def test_urgency_is_never_classified_then_oldest_then_biggest() -> None:
    classifier = classifier_of(answers(peaked("neutral")))
    for track_id, voted_at_s in ((1, 9.9), (2, 8.0), (3, 7.0), (6, 8.0)):
        classifier.classify(frame(), track(track_id), now_s=voted_at_s)
    tracks = [
        track(1),
        track(2, side=10),
        track(3),
        track(4, side=10),
        track(5, side=30),
        track(6, side=30),
        track(7, observed=False),
    ]
    assert [t.track_id for t in classifier.stale(tracks, now_s=10.0)] == [5, 4, 3, 6, 2]


def test_coasting_track_is_not_classified_but_still_read() -> None:
    classifier = classifier_of(answers(peaked("neutral")))
    classifier.classify(frame(), track(), now_s=0.0)
    coasting = track(observed=False)
    assert classifier.stale([coasting], now_s=60.0) == []
    assert len(classifier.readings([coasting])) == 1


def test_forgotten_track_starts_anew() -> None:
    classifier = classifier_of(answers(peaked("neutral")))
    for track_id in (1, 2):
        classifier.classify(frame(), track(track_id), now_s=0.0)
    classifier.forget({2})
    assert [reading.track_id for reading in classifier.readings([track(1), track(2)])] == [2]
    assert [t.track_id for t in classifier.stale([track(1), track(2)], now_s=0.1)] == [1]


def test_crop_shows_the_face_and_nothing_else() -> None:
    network = answers(peaked("neutral"))
    classifier = classifier_of(network, crop_scale=1.0)
    pixels = np.zeros((100, 100, 3), np.uint8)
    pixels[10:58, 10:58] = 255
    classifier.classify(make_frame(pixels), track(side=48.0), now_s=0.0)
    assert (network.seen[-1] == 255).all()


def test_single_stage_scores_are_smoothed_without_a_network() -> None:
    classifier = Classifier(None, SETTINGS, 0.0)
    happy = track(emotion_scores=tuple(peaked("happiness", 1.0)))
    angry = track(emotion_scores=tuple(peaked("anger", 1.0)))
    assert classifier.stale([happy], now_s=0.0) == []
    assert classifier.stale([angry, track(2)], now_s=1.0) == []
    (reading,) = classifier.readings([angry, track(2)])
    assert reading.label == "anger"
    assert reading.confidence == pytest.approx(1 / 1.5, abs=1e-6)


def test_coasting_single_stage_track_does_not_vote_again() -> None:
    classifier = Classifier(None, SETTINGS, 0.0)
    scores = tuple(peaked("happiness", 1.0))
    classifier.stale([track(observed=False, emotion_scores=scores)], now_s=0.0)
    assert classifier.readings([track()]) == []


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"labels": EMOTIONS[::-1]}, "contempt, fear"),
        ({"labels": (*EMOTIONS, "bored")}, "bored"),
        ({"labels": LABELS}, "1x9"),
        ({"task": "face"}, "models.classifier"),
    ],
)
def test_networks_that_mean_something_else_are_refused(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(ModelError, match=named):
        classifier_of(answers(peaked("neutral")), **fields)


def test_oblong_input_is_refused() -> None:
    spec = InputSpec(height_px=48, width_px=64, colour="GREY")
    with pytest.raises(ModelError, match="64x48"):
        classifier_of(ScriptedNetwork(spec, [np.zeros((1, 8), np.float32)]))


def test_coloured_input_gets_coloured_crops() -> None:
    network = ScriptedNetwork(SCENE, [np.zeros((1, 8), np.float32)])
    pixels = np.zeros((100, 100, 3), np.uint8)
    pixels[..., 2] = 200
    classifier_of(network).classify(make_frame(pixels), track(), now_s=0.0)
    assert (network.seen[-1][0, :, :, 2] == 200).all()
    assert (network.seen[-1][0, :, :, 0] == 0).all()


@given(st.lists(st.floats(allow_nan=True, width=32), min_size=2, max_size=9), st.floats(0.05, 20.0))
def test_softmax_is_a_distribution_whatever_comes_in(logits: list[float], temperature: float) -> None:
    share = softmax(np.array(logits, np.float32), temperature)
    assert share.sum() == pytest.approx(1.0)
    assert (share >= 0).all()


@given(st.lists(st.tuples(st.floats(0, 5), st.sampled_from(EMOTIONS)), min_size=1, max_size=20))
def test_confidence_stays_a_share_over_any_history(votes: list[tuple[float, str]]) -> None:
    network = answers(peaked("neutral"))
    classifier = classifier_of(network)
    now_s = 0.0
    for pause_s, label in votes:
        now_s += pause_s
        network.outputs = answers(peaked(label)).outputs
        classifier.classify(frame(), track(), now_s)
    (reading,) = classifier.readings([track()])
    assert 1 / 9 <= reading.confidence <= 1.0
    assert not math.isnan(reading.confidence)
