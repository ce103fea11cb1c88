"""A black, overexposed, covered or frozen picture is told from an empty room, and is no coverage."""

from __future__ import annotations

import zipfile
from functools import cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from agent.aggregator import Aggregator
from agent.source.picture.quality import FROZEN_AFTER_S, PATIENCE_S, Picture, PictureWatch
from tests.support.clips import ffmpeg
from tests.support.places import DATA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

SCENES = DATA / "scenes.zip"
LEFT_HALF = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))


@cache
def noise_field() -> NDArray[np.float32]:
    """Gaussian noise with a deviation of one, drawn once because drawing is slow."""
    return np.random.default_rng(4).normal(0.0, 1.0, (440, 520, 3)).astype(np.float32)


def noisy(picture: NDArray[np.floating], sigma: float, dice: np.random.Generator) -> NDArray[np.uint8]:
    """The picture as a sensor would deliver it."""
    down, right = dice.integers(0, 200, 2)
    rows, columns = picture.shape[:2]
    field = noise_field()[down : down + rows, right : right + columns]
    return np.clip(picture + sigma * field, 0, 255).astype(np.uint8)


@cache
def room() -> NDArray[np.float64]:
    """A drawn room: wall, floor, door, window, furniture; 320×240."""
    picture = np.full((240, 320, 3), 140.0)
    picture[165:] = 90.0
    cv2.rectangle(picture, (30, 60), (85, 200), (60.0, 80.0, 100.0), -1)
    cv2.rectangle(picture, (190, 30), (280, 110), (220.0, 215.0, 205.0), -1)
    cv2.rectangle(picture, (125, 150), (210, 210), (50.0, 60.0, 90.0), -1)
    return picture


def covered(dice: np.random.Generator) -> NDArray[np.float64]:
    """What a lens sees through tape or a finger: one colour with a smooth gradient."""
    coarse = dice.normal(0.0, 1.0, (3, 4, 3))
    small = cv2.GaussianBlur(cv2.resize(coarse, (64, 48), interpolation=cv2.INTER_CUBIC), (0, 0), 6.0)
    gradient = cv2.resize(small, (320, 240))
    colour = dice.uniform(40.0, 200.0, 3)
    return np.asarray(colour + dice.uniform(0.0, 60.0) * gradient / np.abs(gradient).max())


def verdicts(frames: Iterator[NDArray[np.uint8]], watch: PictureWatch, fps: float = 10.0) -> list[Picture]:
    return [watch.look(pixels, 100.0 + number / fps) for number, pixels in enumerate(frames)]


def shots(
    picture: Callable[[np.random.Generator], NDArray[np.floating]], seconds: float, sigma: float = 3.0
) -> Iterator[NDArray[np.uint8]]:
    """Ten noisy frames a second of one scene."""
    dice = np.random.default_rng(5)
    still = picture(dice)
    return (noisy(still, sigma, dice) for _ in range(int(seconds * 10)))


def black(_dice: np.random.Generator) -> NDArray[np.float64]:
    return np.full((240, 320, 3), 4.0)


def white(_dice: np.random.Generator) -> NDArray[np.float64]:
    return np.full((240, 320, 3), 254.0)


def empty_room(_dice: np.random.Generator) -> NDArray[np.float64]:
    return room()


def dim_room(_dice: np.random.Generator) -> NDArray[np.float64]:
    return room() * 0.25


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (black, "black"),
        (white, "overexposed"),
        (covered, "covered"),
        (empty_room, "good"),
        (dim_room, "good"),
    ],
)
def test_each_kind_of_picture_is_recognised(
    picture: Callable[[np.random.Generator], NDArray[np.float64]], expected: Picture
) -> None:
    seen = verdicts(shots(picture, PATIENCE_S + 1.0), PictureWatch())
    assert seen[-1] == expected
    assert set(seen) <= {"good", expected}


def test_twenty_different_covers_are_recognised() -> None:
    for seed in range(20):
        dice = np.random.default_rng(seed)
        still = covered(dice)
        watch = PictureWatch()
        for number in range(10):
            verdict = watch.look(noisy(still, 3.0, dice), number * 0.25)
        assert verdict == "covered", seed


@pytest.mark.skipif(not SCENES.exists(), reason="../shared/data/scenes.zip is not here")
def test_everyday_photos_are_good_pictures_bright_or_dim() -> None:
    with zipfile.ZipFile(SCENES) as archive:
        names = archive.namelist()[::100]
        for name in names:
            encoded = np.frombuffer(archive.read(name), np.uint8)
            picture = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
            assert picture is not None
            photo = cv2.resize(picture, (640, 480))
            for gain in (1.0, 0.4):
                watch = PictureWatch()
                dimmed = (photo * gain).astype(np.uint8)
                seen = [watch.look(dimmed, number * 0.5) for number in range(6)]
                assert set(seen) == {"good"}, (name, gain)
    assert len(names) > 50


def test_a_short_darkness_is_no_verdict() -> None:
    watch = PictureWatch()
    frames = [*shots(empty_room, 2.0), *shots(black, PATIENCE_S - 0.5), *shots(empty_room, 2.0)]
    assert set(verdicts(iter(frames), watch)) == {"good"}


def test_an_uncovered_lens_is_good_again_at_once() -> None:
    watch = PictureWatch()
    seen = verdicts(iter([*shots(covered, 4.0), *shots(empty_room, 0.5)]), watch)
    assert seen[39] == "covered"
    assert seen[-1] == "good"


def test_the_very_same_picture_for_long_is_frozen_and_any_movement_thaws_it() -> None:
    dice = np.random.default_rng(1)
    stuck = noisy(room(), 3.0, dice)
    watch = PictureWatch()
    frames = [stuck.copy() for _ in range(int(FROZEN_AFTER_S * 10) + 5)]
    seen = verdicts(iter(frames), watch)
    assert seen[int(FROZEN_AFTER_S * 10) - 3] == "good"
    assert seen[-1] == "frozen"
    moved = stuck.copy()
    moved[100:130, 100:130] = 255
    assert watch.look(moved, 200.0) == "good"


def test_the_faintest_sensor_noise_is_not_frozen() -> None:
    watch = PictureWatch()
    dice = np.random.default_rng(2)
    seen = {watch.look(noisy(room(), 0.3, dice), number * 0.25) for number in range(60)}
    assert seen == {"good"}


def test_exclusion_zones_take_no_part_in_the_judgement() -> None:
    dice = np.random.default_rng(3)
    watch = PictureWatch((LEFT_HALF,))
    taped = noisy(np.full((240, 320, 3), 120.0), 3.0, dice)
    taped[:, :161] = 0
    assert [watch.look(taped, at_s) for at_s in (0.0, 1.0, 2.5)][-1] == "covered"
    free = noisy(room(), 3.0, dice)
    free[:, :161] = 0
    assert watch.look(free, 5.0) == "good"


@pytest.mark.parametrize("shape", [(16, 16), (17, 4000), (480, 640), (4320, 7680)])
def test_any_size_can_be_judged(shape: tuple[int, int]) -> None:
    watch = PictureWatch()
    pixels = np.full((*shape, 3), 3, np.uint8)
    assert [watch.look(pixels, at_s) for at_s in (0.0, 1.0, 2.5)][-1] == "black"


def test_a_strided_view_can_be_judged() -> None:
    wide = np.full((480, 1280, 3), 3, np.uint8)
    watch = PictureWatch()
    assert [watch.look(wide[:, ::2], at_s) for at_s in (0.0, 1.0, 2.5)][-1] == "black"


def coverage(frames: Iterator[NDArray[np.uint8]], fps: float, seconds: float) -> float:
    """Coverage of one window in which only good pictures reach the aggregator, as in capture."""
    aggregator = Aggregator("door", seconds, 0.0)
    watch = PictureWatch()
    for number, pixels in enumerate(frames):
        at_s = number / fps
        if watch.look(pixels, at_s) == "good":
            aggregator.frame_seen(at_s)
    return aggregator.close_due(seconds)[0].coverage


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "window_s"), [("black", 48), ("covered", 48), ("frozen", 150)])
@pytest.mark.parametrize(
    "codec", [("mjpeg", "-q:v", "5"), ("libx264", "-preset", "ultrafast")], ids=["mjpeg", "h264"]
)
def test_a_useless_clip_ends_with_hardly_any_coverage(
    tmp_path: Path, kind: str, window_s: int, codec: tuple[str, ...]
) -> None:
    """Through real codecs, at four frames a second."""
    dice = np.random.default_rng(8)
    still = {
        "black": np.full((240, 320, 3), 5, np.uint8),
        "covered": noisy(covered(dice), 0.0, dice),
        "frozen": noisy(room(), 3.0, dice),
    }[kind]
    assert cv2.imwrite(str(tmp_path / "still.png"), still)
    noise = () if kind == "frozen" else ("-vf", "noise=alls=6:allf=t")
    # Noise makes a short clip go a long way; a frozen one must not jump where it starts again.
    seconds = str(window_s if kind == "frozen" else 12)
    clip = tmp_path / "clip.mkv"
    ffmpeg(
        "-loop", "1", "-framerate", "4", "-t", seconds, "-i", tmp_path / "still.png", *noise,
        "-c:v", *codec, "-pix_fmt", "yuvj420p" if codec[0] == "mjpeg" else "yuv420p", clip,
    )  # fmt: skip
    frames = decoded(clip)
    assert len(frames) >= 47
    again_and_again = (frames[number % len(frames)] for number in range(4 * window_s))
    assert coverage(again_and_again, 4.0, float(window_s)) < 0.1


def decoded(clip: Path) -> list[NDArray[np.uint8]]:
    capture = cv2.VideoCapture(str(clip))
    frames: list[NDArray[np.uint8]] = []
    while True:
        delivered, pixels = capture.read()
        if not delivered:
            return frames
        frames.append(pixels.astype(np.uint8, copy=False))


def test_a_good_clip_keeps_its_coverage() -> None:
    assert coverage(shots(empty_room, 20.0), 10.0, 20.0) > 0.99
