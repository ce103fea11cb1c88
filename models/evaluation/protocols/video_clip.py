"""A clip with known truth: portraits of unseen people who come, stay and leave before everyday scenes.

The camera stands still for some windows, then looks at another scene. People enter from the nearer side, in
two rows: small faces behind, larger ones in front, who now and then pass before one another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.domain import EMOTIONS
from models.augment import SKIN_TINT
from models.data import LabelledPhoto, Portrait, identity

WIDTH_PX: Final = 640
HEIGHT_PX: Final = 480
FPS: Final = 12
WINDOW_S: Final = 10
FRAMES_PER_WINDOW: Final = FPS * WINDOW_S
SCENE_WINDOWS: Final = 2
"""Windows before the camera looks elsewhere."""
CLEAR_FRAMES: Final = FPS
"""Nobody is in view for fewer frames of a window and more than none: the truth is never a matter of taste."""
WALK_PX: Final = 15.0
"""Per frame: a calm walk."""
GAP_S: Final = 24.0
"""Mean time for which a place stays empty."""
STAY_S: Final = (4.0, 15.0)


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody may stand; one person at a time."""

    rests_at_px: float
    """Of the face's centre."""
    height_at_px: float
    face_px: tuple[float, float]
    """Range of face heights."""


PLACES: Final = (
    *(Place(share * WIDTH_PX, 0.27 * HEIGHT_PX, (52.0, 84.0)) for share in (0.13, 0.38, 0.63, 0.88)),
    *(Place(share * WIDTH_PX, 0.68 * HEIGHT_PX, (92.0, 140.0)) for share in (0.2, 0.5, 0.8)),
)
"""The back row first, so that the front row is drawn over it."""


@dataclass(frozen=True, slots=True, eq=False)
class Visit:
    """One person's time before the camera."""

    label: str
    picture: NDArray[np.uint8]
    """H×W×4: the head in BGR and its opacity, at its size in the clip."""
    face_px: tuple[float, float]
    """Width and height of the face in the clip."""
    centre_px: tuple[float, float]
    """Of the face in ``picture``."""
    place: Place
    first_frame: int
    last_frame: int
    phase: float

    def position(self, frame: int) -> tuple[float, float] | None:
        """Centre of the face in the frame; None before the visit and after."""
        if not self.first_frame <= frame <= self.last_frame:
            return None
        from_left = self.place.rests_at_px < WIDTH_PX / 2
        way = self.place.rests_at_px if from_left else WIDTH_PX - self.place.rests_at_px
        way += self.face_px[0]
        walked = min(way, WALK_PX * min(frame - self.first_frame, self.last_frame - frame))
        sway = 5.0 * np.sin(0.11 * frame + self.phase) * walked / way
        left = walked - self.face_px[0] if from_left else WIDTH_PX + self.face_px[0] - walked
        bob = 3.0 * np.sin(0.17 * frame + 2.0 * self.phase)
        return float(left + sway), float(self.place.height_at_px + bob)

    def frames_in_view(self) -> list[int]:
        """Frames that show at least half of the face."""
        frames = range(self.first_frame, self.last_frame + 1)
        return [frame for frame in frames if (at := self.position(frame)) and 0.0 <= at[0] <= WIDTH_PX]


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """Pictures to be drawn, and who is to be seen in each window."""

    windows: tuple[tuple[str, ...], ...]
    """Per window the label of everybody in view."""
    visits: tuple[Visit, ...]
    scenes: tuple[NDArray[np.uint8], ...]
    """One per ``SCENE_WINDOWS`` windows, H×W×3 uint8 BGR."""

    def frames(self) -> Iterator[NDArray[np.uint8]]:
        """H×W×3 uint8 BGR at ``FPS``; the same array is drawn anew each time."""
        canvas = np.empty((HEIGHT_PX, WIDTH_PX, 3), np.uint8)
        for frame in range(len(self.windows) * FRAMES_PER_WINDOW):
            np.copyto(canvas, self.scenes[frame // (SCENE_WINDOWS * FRAMES_PER_WINDOW)])
            for visit in self.visits:
                if (position := visit.position(frame)) is not None:
                    draw_head(canvas, visit.picture, visit.centre_px, position)
            yield canvas


def compose_clip(
    portraits: Sequence[Portrait], scenes: Sequence[LabelledPhoto], windows: int, seed: int
) -> Clip:
    """Draw up a clip of so many windows, in which each person comes at most once.

    Scenes without a face, certain or not, become backgrounds; ``seed`` is of everything.

    Raises:
        ValueError: No scene is without faces.
    """
    generator = np.random.default_rng(seed)
    empty = [photo.pixels for photo in scenes if not len(photo.faces) and not len(photo.ignored)]
    if not empty:
        raise ValueError("a clip needs photos without faces to play before")
    people = {identity(portrait.name): portrait for portrait in portraits}
    names = sorted(people)
    waiting = [people[names[index]] for index in generator.permutation(len(names))]
    visits: list[Visit] = []
    for place in PLACES:
        frame = 0
        while waiting and (visit := _next_visit(generator, waiting[-1], place, frame, windows)) is not None:
            waiting.pop()
            visits.append(visit)
            frame = visit.last_frame + 1
    needed = -(-windows // SCENE_WINDOWS)
    chosen = generator.permutation(len(empty))[:needed]
    pictures = [
        cv2.resize(empty[i], (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_CUBIC)
        for i in np.resize(chosen, needed)
    ]
    return Clip(_truth(visits, windows), tuple(visits), tuple(np.asarray(p, np.uint8) for p in pictures))


def _next_visit(
    generator: np.random.Generator, portrait: Portrait, place: Place, free_from: int, windows: int
) -> Visit | None:
    """A visit of unambiguous windows; None where the clip is over before it could be seen."""
    end = windows * FRAMES_PER_WINDOW
    start = free_from + int(FPS * generator.exponential(GAP_S))
    head = cut_head(portrait, float(generator.uniform(*place.face_px)))
    while start < end - CLEAR_FRAMES:
        stay = int(FPS * generator.uniform(*STAY_S))
        phase = float(generator.uniform(0.0, 2.0 * np.pi))
        visit = Visit(EMOTIONS[portrait.label], *head, place, start, start + stay, phase)
        seen = Counter(frame // FRAMES_PER_WINDOW for frame in visit.frames_in_view() if frame < end)
        if seen and all(count >= CLEAR_FRAMES for count in seen.values()):
            return visit
        start += FPS
    return None


def cut_head(
    portrait: Portrait, face_height_px: float
) -> tuple[NDArray[np.uint8], tuple[float, float], tuple[float, float]]:
    """Picture of a head as in :class:`Visit`, width and height of its face, and the face's centre in it."""
    left, top, width, height = portrait.box
    scale = face_height_px / height
    size = (round(portrait.grey.shape[1] * scale), round(portrait.grey.shape[0] * scale))
    grey = cv2.resize(portrait.grey, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    centre = ((left + width / 2) * scale, (top + height / 2) * scale)
    rows, columns = np.indices(grey.shape, np.float32) + 0.5
    radius = np.hypot(
        (columns - centre[0]) / (0.6 * width * scale), (rows - centre[1]) / (0.6 * height * scale)
    )
    # A soft rim, and never a straight one where the photo itself ends.
    rim = np.minimum.reduce((rows, columns, size[1] - rows, size[0] - columns)) / (0.06 * height * scale)
    opacity = np.clip((1.15 - radius) / 0.2, 0.0, 1.0) * np.clip(rim, 0.0, 1.0)
    colour = np.clip(grey[:, :, None] * SKIN_TINT * 1.1, 0.0, 255.0)
    picture = np.dstack((colour, 255.0 * opacity)).astype(np.uint8)
    return picture, (width * scale, height * scale), centre


def _truth(visits: Sequence[Visit], windows: int) -> tuple[tuple[str, ...], ...]:
    seen = [(v.label, {frame // FRAMES_PER_WINDOW for frame in v.frames_in_view()}) for v in visits]
    return tuple(
        tuple(sorted(label for label, shown in seen if window in shown)) for window in range(windows)
    )


def draw_head(
    canvas: NDArray[np.uint8],
    picture: NDArray[np.uint8],
    centre_px: tuple[float, float],
    position: tuple[float, float],
) -> None:
    """Blend a head in with its face centred at ``position``, cut off at the borders."""
    height, width = picture.shape[:2]
    left = int(np.floor(position[0] - centre_px[0]))
    top = int(np.floor(position[1] - centre_px[1]))
    x0, x1 = max(0, left), min(canvas.shape[1], left + width + 1)
    y0, y1 = max(0, top), min(canvas.shape[0], top + height + 1)
    if x0 >= x1 or y0 >= y1:
        return
    # Moved by the fraction of a pixel too, or a slow sway would jump.
    shift_x = position[0] - centre_px[0] - x0
    shift_y = position[1] - centre_px[1] - y0
    matrix = np.array([[1.0, 0.0, shift_x], [0.0, 1.0, shift_y]])
    head = cv2.warpAffine(picture, matrix, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR).astype(np.float32)
    opacity = head[:, :, 3:] / 255.0
    behind = canvas[y0:y1, x0:x1]
    np.copyto(behind, (behind + opacity * (head[:, :, :3] - behind)).astype(np.uint8))
