"""Finds out which head a user's network has, and leaves it the outputs that the agent reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from onnx import helper

from agent.domain import EMOTIONS
from agent.errors import ConfigError, ModelError
from agent.inference.bundle import InputSpec, NetworkEntry, NetworkFile
from agent.inference.heads import BOX_BINS, Layout, find_layout
from models.importing.onnx_file import UserFile, write_outputs

HEADS: Final = ("auto", "yolo_ltrb", "yolo_dfl", "yolo_anchor_maps", "yolo_fused", "yolo_anchor")
YOLOV5_ANCHORS_PX: Final = (10, 13, 16, 30, 33, 23, 30, 61, 62, 45, 59, 119, 116, 90, 156, 198, 373, 326)
"""What YOLOv5 starts from: the nine of Redmon and Farhadi 2018, "YOLOv3", section 2.3."""
_STRIDES: Final = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32), (16, 32))
"""Of the family's members; the coarsest of two rows of the same length is unlikely to be meant."""
_LANDMARKS: Final = frozenset({10, 15})
_PLACEHOLDER: Final = NetworkFile(backend="onnxruntime", precision="fp32", path="x", sha256="0" * 64)


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to understand the outputs."""

    layout: Layout
    strides: tuple[int, ...]
    anchors: tuple[float, ...]

    @property
    def in_words(self) -> str:
        """Head and number of classes."""
        landmarks = f" and {self.layout.unused} unused channels" if self.layout.unused else ""
        return f"{self.layout.head} with {self.layout.class_count} class(es){landmarks}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is known of the head before its outputs are looked at."""

    head: str = "auto"
    anchors: tuple[float, ...] = ()
    class_count: int | None = None
    """None where neither file nor user names the classes."""
    counted_from: str = ""
    """Who names them, for messages."""


def find_reading(file: UserFile, wanted: Wanted) -> tuple[UserFile, Reading]:
    """Recognise the head; where the file has it in parts or with more besides, edit the outputs.

    Raises:
        ModelError: No head the agent knows has such outputs, or its classes are others than ``wanted``.
        ConfigError: Several readings are possible.
    """
    for variant in _variants(file):
        readings = _readings(variant, wanted)
        if readings:
            return variant, _only(variant, readings, wanted)
    named = "" if wanted.head == "auto" else f" as {wanted.head}"
    raise ModelError(
        f"the outputs of {file.path} ({file.shapes_in_words}) can't be read{named} at"
        f" {file.spec.width_px}x{file.spec.height_px} px for one face class or 2 to {len(EMOTIONS)}"
        " expressions: export a YOLOv5, v6, v8 or 11 detector without NMS",
    )


def _only(file: UserFile, readings: Sequence[Reading], wanted: Wanted) -> Reading:
    fitting = [one for one in readings if wanted.class_count in {None, one.layout.class_count}]
    if not fitting:
        counts = " or ".join(str(one.layout.class_count) for one in readings)
        raise ModelError(
            f"{wanted.counted_from} {wanted.class_count} class(es), but the outputs of {file.path}"
            f" ({file.shapes_in_words}) have {counts}: name one label per class with --labels",
        )
    if len(fitting) > 1:
        words = ", or ".join(one.in_words for one in fitting)
        raise ConfigError(
            f"the outputs of {file.path} ({file.shapes_in_words}) are {words}:"
            " say which by --labels or --head"
        )
    return fitting[0]


def _readings(file: UserFile, wanted: Wanted) -> list[Reading]:
    shapes = [shape for _, shape in file.outputs]
    counts = {*range(1, len(EMOTIONS) + 1), wanted.class_count or 1}
    found: dict[tuple[str, int], Reading] = {}
    for strides in _stride_sets(file.spec, shapes):
        for anchors in ((), wanted.anchors or YOLOV5_ANCHORS_PX):
            for count in sorted(counts):
                entry = _draft(file.spec, count, wanted.head, strides, anchors)
                try:
                    layout = find_layout(entry, shapes)
                except ModelError:
                    continue
                is_maps = layout.head == "yolo_anchor_maps"
                plausible = not layout.unused or (count == 1 and layout.unused in _LANDMARKS)
                if plausible or wanted.head != "auto":
                    reading = Reading(layout, strides, anchors if is_maps else ())
                    found.setdefault((layout.head, count), reading)
    return list(found.values())


def _draft(
    spec: InputSpec, count: int, head: str, strides: tuple[int, ...], anchors: tuple[float, ...]
) -> NetworkEntry:
    return NetworkEntry(
        family="draft",
        task="face",
        input=spec,
        labels=tuple(str(index) for index in range(count)),
        head=head,
        strides=strides,
        anchors=anchors,
        licence="",
        training_data=(),
        files=(_PLACEHOLDER,),
    )


def _stride_sets(spec: InputSpec, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    if len(shapes) == 1:
        return [strides for strides in _STRIDES if not spec.height_px % strides[-1]]
    grids = [shape[2] for shape in shapes if len(shape) >= 4]  # noqa: PLR2004 - maps only
    return [tuple(sorted(spec.height_px // max(1, rows) for rows in grids))]


def _variants(file: UserFile) -> Iterator[UserFile]:
    """The file as it is, then edited in ways that leave it one head; edits happen when asked for."""
    yield file
    yield from filter(None, (edit(file) for edit in (_finished_rows_only, _joined_maps)))


def _finished_rows_only(file: UserFile) -> UserFile | None:
    """Older exporters give the raw maps beside the finished rows."""
    rows = [output for output in file.outputs if len(output[1]) == 3]  # noqa: PLR2004 - batch, rows, columns
    if len(rows) != 1 or len(file.outputs) == 1:
        return None
    write_outputs(file.model, rows)
    others = ", ".join(name for name, _ in file.outputs if name != rows[0][0])
    return file.changed(tuple(rows), f"of its outputs only {rows[0][0]} is kept, not {others}")


def _joined_maps(file: UserFile) -> UserFile | None:
    """Box and class maps that leave each stride apart, in the order of ``head_layout``."""
    by_grid: dict[tuple[int, ...], list[tuple[str, int]]] = {}
    for name, shape in file.outputs:
        if len(shape) != 4:  # noqa: PLR2004 - maps only
            return None
        by_grid.setdefault(shape[2:], []).append((name, shape[1]))
    joined = []
    for grid, parts in sorted(by_grid.items(), reverse=True):
        ordered = _box_and_class(parts)
        if ordered is None:
            return None
        stride = file.spec.height_px // max(1, grid[0])
        joined.append((f"joined_{stride}", ordered, (1, sum(depth for _, depth in parts), *grid)))
    for name, ordered, _ in joined:
        file.model.graph.node.append(helper.make_node("Concat", ordered, [name], name, axis=1))
    outputs = [(name, shape) for name, _, shape in joined]
    write_outputs(file.model, outputs)
    return file.changed(tuple(outputs), "its box and class maps are joined, one output per stride")


def _box_and_class(parts: Sequence[tuple[str, int]]) -> list[str] | None:
    """Names in the order in which they are to be joined; None where that can't be told."""
    depths = [depth for _, depth in parts]
    if len(parts) != 2:  # noqa: PLR2004 - box and class
        return None
    if depths.count(BOX_BINS) == 1:
        return [name for name, _ in sorted(parts, key=lambda part: part[1] != BOX_BINS)]
    if depths.count(4) == 1:
        return [name for name, _ in sorted(parts, key=lambda part: part[1] == 4)]  # noqa: PLR2004 - four sides
    return None
