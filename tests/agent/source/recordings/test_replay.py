"""Replay delivers what a recording holds, at its own pace or all of it, and names what is broken."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from agent.errors import ConfigError, SourceEnded
from agent.settings import ReplaySource
from agent.source.recordings.replay import ReplayCamera
from tests.support.clips import (
    LEVEL_STEP,
    ffmpeg,
    ffmpeg_video,
    number_of,
    numbered_picture,
    truncate,
    write_images,
    write_video,
)
from tests.support.patience import PassingTime
from tests.support.waiting import DEADLINE_S

if TYPE_CHECKING:
    from pathlib import Path

    from agent.frame import Frame


def replay(path: Path, *, realtime: bool = False, loop: bool = False, fps: float = 10.0) -> ReplayCamera:
    settings = ReplaySource(type="replay", path=path, realtime=realtime, loop=loop, fps=fps)
    return ReplayCamera("clip", settings, threading.Event())


def frames_of(camera: ReplayCamera) -> list[tuple[int, int, int]]:
    """Index, number drawn in the picture and width of every frame."""
    seen = []
    camera.open()
    try:
        while True:
            frame: Frame = camera.read()
            seen.append((frame.index, number_of(frame.pixels), frame.width))
    except SourceEnded:
        return seen
    finally:
        camera.close()


def test_every_frame_of_a_video_comes_once_and_in_order(tmp_path: Path) -> None:
    clip = write_video(tmp_path / "clip.avi", 20)
    assert frames_of(replay(clip)) == [(n, n, 64) for n in range(20)]


def test_frames_are_bgr(tmp_path: Path) -> None:
    blue = np.zeros((48, 64, 3), np.uint8)
    blue[:, :, 0] = 255
    cv2.imwrite(str(tmp_path / "blue.png"), blue)
    camera = replay(tmp_path)
    camera.open()
    assert camera.read().pixels[0, 0].tolist() == [255, 0, 0]
    camera.close()


def test_a_looping_replay_starts_again_with_rising_indices(tmp_path: Path) -> None:
    camera = replay(write_video(tmp_path / "clip.avi", 3), loop=True)
    camera.open()
    seen = [(frame.index, number_of(frame.pixels)) for frame in (camera.read() for _ in range(7))]
    camera.close()
    assert seen == [(0, 0), (1, 1), (2, 2), (3, 0), (4, 1), (5, 2), (6, 0)]


def test_an_image_folder_is_replayed_in_the_order_of_its_names(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "images", 5)
    (folder / "readme.txt").write_text("not a picture")
    assert [number for _, number, _ in frames_of(replay(folder))] == [0, 1, 2, 3, 4]


def played(path: Path, frames: int, fps: float = 10.0) -> list[float]:
    """Seconds from the opening at which the first frames of a recording come at its own pace."""
    stop = PassingTime()
    settings = ReplaySource(type="replay", path=path, realtime=True, fps=fps)
    camera = ReplayCamera("clip", settings, stop, clock=lambda: stop.now_s)
    camera.open()
    times_s = [camera.read().captured_at_s - 1000.0 for _ in range(frames)]
    camera.close()
    return times_s


def test_realtime_frames_come_at_their_time(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.avi", 6, fps=20.0)
    assert played(path, 6) == pytest.approx([number / 20.0 for number in range(6)])


def test_realtime_frames_never_come_before_their_time_by_the_real_clock(tmp_path: Path) -> None:
    camera = replay(write_video(tmp_path / "clip.avi", 6, fps=20.0), realtime=True)
    before_s = time.monotonic()
    camera.open()
    times_s = [camera.read().captured_at_s for _ in range(6)]
    camera.close()
    assert all(at_s >= before_s + number / 20.0 for number, at_s in enumerate(times_s))


@pytest.mark.parametrize("kind", ["video", "images"])
def test_a_recording_at_its_own_pace_rests_when_it_may(tmp_path: Path, kind: str) -> None:
    """Four of five pictures that come before the rest's end are passed over; their numbers are missing."""
    path = write_images(tmp_path / "a", 12) if kind == "images" else write_video(tmp_path / "a.avi", 12)
    stop = PassingTime()
    settings = ReplaySource(type="replay", path=path, realtime=True, fps=10.0)
    camera = ReplayCamera("clip", settings, stop, clock=lambda: stop.now_s)
    camera.open()
    numbers = [number_of(camera.read().pixels) for _ in range(2)]
    camera.rest(1000.65)
    numbers += [number_of(camera.read().pixels) for _ in range(3)]
    camera.close()
    assert numbers == [0, 1, 6, 7, 8]


def test_a_replay_of_every_frame_never_rests(tmp_path: Path) -> None:
    camera = replay(write_video(tmp_path / "clip.avi", 20))
    camera.open()
    camera.read()
    camera.rest(time.monotonic() + 1000.0)
    assert [number_of(camera.read().pixels) for _ in range(19)] == list(range(1, 20))
    camera.close()


def test_stop_ends_the_wait_for_a_frame_whose_time_has_not_come(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "images", 3)
    stop = threading.Event()
    settings = ReplaySource(type="replay", path=folder, realtime=True, fps=0.001)
    camera = ReplayCamera("clip", settings, stop)
    camera.open()
    camera.read()
    ended = threading.Event()

    def wait_for_the_second_frame() -> None:
        with pytest.raises(SourceEnded):
            camera.read()
        ended.set()

    reader = threading.Thread(target=wait_for_the_second_frame)
    reader.start()
    stop.set()
    assert ended.wait(DEADLINE_S)
    reader.join()


def test_capture_times_are_monotonic_seconds_of_now(tmp_path: Path) -> None:
    camera = replay(write_video(tmp_path / "clip.avi", 2))
    before_s = time.monotonic()
    camera.open()
    frame = camera.read()
    camera.close()
    assert before_s <= frame.captured_at_s <= time.monotonic()


def test_a_frame_that_is_held_keeps_its_pixels_while_later_frames_are_read(tmp_path: Path) -> None:
    camera = replay(write_video(tmp_path / "clip.avi", 20))
    camera.open()
    held = camera.read()
    for _ in range(19):
        camera.read()
    assert number_of(held.pixels) == 0
    camera.close()
    assert number_of(held.pixels) == 0


@pytest.fixture(scope="module")
def whole_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ffmpeg_video(tmp_path_factory.mktemp("clips") / "clip.mkv", "-c:v", "mjpeg", seconds=4.0)


@pytest.mark.slow
@pytest.mark.parametrize("share", [tenth / 10 for tenth in range(1, 10)])
def test_a_truncated_video_delivers_what_is_there_then_says_so_and_ends(
    whole_clip: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, share: float
) -> None:
    clip = tmp_path / "clip.mkv"
    clip.write_bytes(whole_clip.read_bytes())
    part = len(frames_of(replay(truncate(clip, share))))
    assert 0 < part < 40
    assert [f"{clip} breaks off after {part} of about 40 frames" in text for text in caplog.messages] == [
        True
    ]


@pytest.mark.slow
@pytest.mark.parametrize("share", [tenth / 10 for tenth in range(1, 10)])
def test_a_truncated_mp4_has_lost_its_index_and_is_named(tmp_path: Path, share: float) -> None:
    clip = ffmpeg_video(tmp_path / "clip.mp4", "-c:v", "libx264", "-pix_fmt", "yuv420p", seconds=0.5)
    with pytest.raises(ConfigError, match=r"clip\.mp4 is not a video that can be decoded"):
        replay(truncate(clip, share)).open()


def test_a_whole_video_is_not_called_truncated(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    frames_of(replay(write_video(tmp_path / "clip.avi", 20)))
    assert caplog.records == []


@pytest.mark.parametrize("content", [b"", b"hello, this is no video at all", bytes(range(256)) * 64])
def test_a_file_that_is_no_video_is_named_with_a_remedy(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "clip.mp4"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"clip\.mp4 is not a video .*; .*"):
        replay(file).open()


def test_a_video_without_frames_is_named_at_the_first_read(tmp_path: Path) -> None:
    clip = write_video(tmp_path / "clip.avi", 0)
    camera = replay(clip, loop=True)
    with pytest.raises(ConfigError, match=r"clip\.avi"):
        frames_of(camera)


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sources\.clip\.path: .*absent\.mp4 does not exist"):
        replay(tmp_path / "absent.mp4").open()


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no images"):
        replay(tmp_path).open()


@pytest.mark.slow
def test_a_video_that_changes_size_midway_is_delivered_whole_in_its_first_size(tmp_path: Path) -> None:
    dark = tmp_path / "dark.ts"
    light = tmp_path / "light.ts"
    ffmpeg("-f", "lavfi", "-i", "color=black:size=160x120:rate=10:duration=1", "-c:v", "mpeg2video", dark)
    ffmpeg("-f", "lavfi", "-i", "color=white:size=320x240:rate=10:duration=1", "-c:v", "mpeg2video", light)
    both = tmp_path / "both.ts"
    both.write_bytes(dark.read_bytes() + light.read_bytes())
    frames = frames_of(replay(both))
    assert len(frames) >= 18
    assert {width for _, _, width in frames} == {160}
    assert frames[0][1] == 0
    # White in every pixel: the larger picture was scaled to fit, not cut or pasted into a corner.
    assert frames[-1][1] >= 250 // LEVEL_STEP


def test_a_folder_of_different_sizes_delivers_each_in_its_own(tmp_path: Path) -> None:
    for number, width_px in enumerate((64, 320, 31, 64)):
        cv2.imwrite(str(tmp_path / f"{number}.png"), numbered_picture(number, width_px, 48))
    assert frames_of(replay(tmp_path)) == [(0, 0, 64), (1, 1, 320), (2, 2, 31), (3, 3, 64)]


def test_a_broken_image_is_skipped_and_named_once_however_often_the_folder_repeats(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_images(tmp_path / "images", 4)
    truncate(folder / "001.jpg", 0.3)
    (folder / "002.jpg").write_bytes(b"no picture")
    camera = replay(folder, loop=True)
    camera.open()
    numbers = [number_of(camera.read().pixels) for _ in range(6)]
    assert numbers == [0, 3, 0, 3, 0, 3]
    camera.close()
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert "001.jpg can't be decoded and is skipped (1 so far)" in warnings[0]
    assert "002.jpg can't be decoded and is skipped (2 so far)" in warnings[1]


def test_a_folder_of_broken_images_only_ends_with_its_name_instead_of_looping(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "images", 2)
    for file in folder.iterdir():
        file.write_bytes(b"no picture")
    with pytest.raises(ConfigError, match="images"):
        frames_of(replay(folder, loop=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "width_px"),
    [
        ("h264.mp4", ("-c:v", "libx264", "-pix_fmt", "yuv420p"), 160),
        ("h265.mp4", ("-c:v", "libx265", "-pix_fmt", "yuv420p", "-x265-params", "log-level=none"), 160),
        ("vp9.webm", ("-c:v", "libvpx-vp9", "-pix_fmt", "yuv420p"), 160),
        ("mjpeg.mkv", ("-c:v", "mjpeg"), 160),
        ("odd.mkv", ("-vf", "scale=161:121", "-c:v", "ffv1", "-pix_fmt", "bgr0"), 161),
        ("grey.mkv", ("-c:v", "ffv1", "-pix_fmt", "gray"), 160),
        ("422.mp4", ("-c:v", "libx264", "-pix_fmt", "yuv422p"), 160),
    ],
)
def test_common_codecs_and_layouts_decode(
    tmp_path: Path, name: str, options: tuple[str, ...], width_px: int
) -> None:
    clip = ffmpeg_video(tmp_path / name, *options, seconds=1.0)
    assert [w for _, _, w in frames_of(replay(clip))] == [width_px] * 10


@pytest.mark.slow
def test_a_portrait_video_stands_upright(tmp_path: Path) -> None:
    flat = ffmpeg_video(tmp_path / "flat.mp4", "-c:v", "libx264", "-pix_fmt", "yuv420p", seconds=1.0)
    upright = tmp_path / "upright.mp4"
    ffmpeg("-i", flat, "-c", "copy", "-metadata:s:v:0", "rotate=90", upright)
    camera = replay(upright)
    camera.open()
    frame = camera.read()
    camera.close()
    assert (frame.width, frame.height) == (120, 160)


@pytest.mark.slow
def test_a_variable_frame_rate_is_kept(tmp_path: Path) -> None:
    clip = tmp_path / "variable.mkv"
    ffmpeg(
        "-f", "lavfi", "-i", "testsrc2=size=160x120:rate=20:duration=1",
        "-vf", "select='not(between(n,4,15))'", "-fps_mode", "vfr", "-c:v", "mjpeg", clip,
    )  # fmt: skip
    assert played(clip, 8) == pytest.approx([0.0, 0.05, 0.1, 0.15, 0.8, 0.85, 0.9, 0.95], abs=0.002)
