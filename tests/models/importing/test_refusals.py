"""What can't be imported is refused in one sentence that says what is wrong and what to do."""

from __future__ import annotations

import os
import random
import sys
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from agent.domain import EMOTIONS, Box
from agent.errors import AgentError, ConfigError, ModelError
from agent.host import child
from agent.inference.bundle.content import NetworkContent
from agent.inference.bundle.place import default_bundle_folder
from models.__main__ import app as models_app
from models.commands import importing
from models.importing.check import Picture, look, read_picture
from models.importing.class_names import Labels, parse_labels, resolve_labels
from models.importing.network import import_network
from models.importing.request import ImportRequest
from tests.support.mutation import mutated_onnx
from tests.support.network_fixtures import write_onnx
from tests.support.places import ROOT
from tests.support.user_networks import FACE_PX, Export, draw, write_export

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.slow

PICTURE_SHAPE = (1, 3, 320, 320)


def bring(path: Path, **options: Any) -> tuple[Any, str]:
    lines: list[str] = []
    request = ImportRequest(path, **{"name": "mine", "bundle": path.with_name("bundle"), **options})
    return import_network(request, lines.append), "\n".join(lines)


def plain(path: Path, *shapes: tuple[int, ...], takes: str = "FLOAT") -> Path:
    """A network that answers the picture's mean everywhere, in outputs of these shapes."""
    outputs = [(f"out{index}", shape) for index, shape in enumerate(shapes)]
    return write_onnx(path, PICTURE_SHAPE, outputs, takes)


def two_inputs(path: Path) -> Path:
    plain(path, (1, 5, 2100))
    model = onnx.load(str(path))
    model.graph.input.append(onnx.helper.make_tensor_value_info("size", onnx.TensorProto.FLOAT, [1, 2]))
    onnx.save(model, str(path))
    return path


def half_precision(path: Path) -> Path:
    plain(path, (1, 5, 2100))
    model = onnx.load(str(path))
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    onnx.save(model, str(path))
    return path


def with_nms(path: Path) -> Path:
    plain(path, (1, 5, 2100))
    model = onnx.load(str(path))
    model.graph.node.append(onnx.helper.make_node("NonMaxSuppression", ["a", "b"], ["c"]))
    onnx.save(model, str(path))
    return path


def not_a_number(path: Path) -> Path:
    write_export(path, Export("v8_raw"))
    model = onnx.load(str(path))
    for constant in model.graph.initializer:
        if constant.dims == [1]:
            constant.CopyFrom(onnx.numpy_helper.from_array(np.array([np.nan], np.float32), constant.name))
    onnx.save(model, str(path))
    return path


def resized(path: Path, *sides: int) -> Path:
    """With an input that says another size than it has."""
    model = onnx.load(str(plain(path, (1, 5, 2100))))
    for axis, side in zip(model.graph.input[0].type.tensor_type.shape.dim, sides, strict=True):
        axis.dim_value = side
    onnx.save(model, str(path))
    return path


def endless(path: Path) -> Path:
    """A loop that is never told to stop, in a branch."""
    model = onnx.load(str(plain(path, (1, 5, 2100))))
    body = onnx.helper.make_graph([onnx.helper.make_node("Loop", ["", "yes"], [])], "branch", [], [])
    branches = {"then_branch": body, "else_branch": body}
    model.graph.node.append(onnx.helper.make_node("If", ["yes"], ["never"], **branches))
    onnx.save(model, str(path))
    return path


def beside(path: Path) -> Path:
    """With its weights in another file."""
    model = onnx.load(str(write_export(path, Export("v8"))))
    onnx.save_model(model, str(path), save_as_external_data=True, location="weights", size_threshold=0)
    return path


def unheard_of_pixels(path: Path) -> Path:
    model = onnx.load(str(plain(path, (1, 5, 2100))))
    model.graph.input[0].type.tensor_type.elem_type = 99
    onnx.save(model, str(path))
    return path


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def noted(path: Path, names: str) -> Path:
    return write_export(path, Export("v8", classes=3, metadata=(("names", names),)))


def inputs_of_no_letters(path: Path) -> Path:
    path.write_bytes(two_inputs(path).read_bytes().replace(b"size", b"\xff\xfe\xfd\xff"))
    return path


def operator_of_no_letters(path: Path) -> Path:
    """Words that name it are no UTF-8; ONNX Runtime's own second try would print that."""
    path.write_bytes(plain(path, (1, 5, 2100)).read_bytes().replace(b"Expand", b"\xff\xfe\xfd\xff\xfe\xfd"))
    return path


def nonsense(path: Path) -> Path:
    path.write_bytes(b"PK\x03\x04 a checkpoint, not an export")
    return path


CASES: list[tuple[str, Callable[[Path], Path], dict[str, Any], str]] = [
    ("not ONNX", nonsense, {}, r"user\.onnx is not an ONNX file"),
    ("missing", lambda path: path, {}, r"can't read .*user\.onnx"),
    ("a pipe", pipe, {}, r"can't read .*user\.onnx \(it is no regular file\)"),
    ("negative sides", lambda path: resized(path, 1, 3, -32, -32), {}, r"takes pictures of any size"),
    (
        "negative batch",
        lambda path: resized(path, -1, -3, 320, 320),
        {"input_px": "640"},
        r"fixed at 320x320",
    ),
    ("immense sides", lambda path: resized(path, 1, 3, 2**40, 2**40), {}, r"multiples of 32 up to 4096"),
    ("immense option", lambda path: resized(path, 1, 3, 0, 0), {"input_px": "9" * 5_000}, r"is no size"),
    ("pixels unheard of", unheard_of_pixels, {}, r"takes unknown pixels"),
    ("endless", endless, {}, r"operators that may never end \(Loop\): export it without them"),
    ("weights beside it", beside, {}, r"in another file, which no digest covers: export it as one file"),
    ("inputs of no letters", inputs_of_no_letters, {}, r"2 inputs \(image, \ufffd"),
    ("names that can't be sorted", lambda path: noted(path, "{0: 'a', 'b': 1}"), {}, r"class 0 \(nameless\)"),
    ("names that can't be keys", lambda path: noted(path, "{[]: 1}"), {}, r"class 0 \(nameless\)"),
    ("anchors of no size", lambda path: plain(path, (1, 5, 2100)), {"anchors": "nan,inf"}, r"can't be read"),
    (
        "any size",
        lambda path: write_export(path, Export("v8_raw", dynamic=True)),
        {},
        r"takes pictures of any size: fix one with --input-px 320",
    ),
    (
        "any size, noted",
        lambda path: write_export(path, Export("v8_raw", dynamic=True, metadata=(("imgsz", "[384, 640]"),))),
        {},
        r"--input-px 640x384",
    ),
    ("own size", lambda path: plain(path, (1, 5, 2100)), {"input_px": "640"}, r"fixed at 320x320 px"),
    (
        "odd size",
        lambda path: write_export(path, Export("v8_raw", dynamic=True)),
        {"input_px": "300"},
        r"multiples of 32",
    ),
    ("no size", lambda path: plain(path, (1, 5, 2100)), {"input_px": "big"}, r"--input-px big is no size"),
    ("unknown outputs", lambda path: plain(path, (1, 300, 6)), {}, r"out0 1x300x6\) can't be read"),
    ("classifier", lambda path: plain(path, (1, 8)), {}, r"out0 1x8\) can't be read"),
    ("eighty classes", lambda path: plain(path, (1, 84, 2100)), {}, r"out0 1x84x2100\) can't be read"),
    ("NMS inside", with_nms, {}, r"its own non-maximum suppression: export it without NMS"),
    ("two inputs", two_inputs, {}, r"2 inputs \(image, size\)"),
    ("half precision", half_precision, {}, r"takes float16 pixels.*half=False"),
    (
        "too few labels",
        lambda path: plain(path, (1, 12, 2100)),
        {"labels": "happiness,sadness,anger"},
        r"--labels names 3 class\(es\), but .* 1x12x2100\) have 8",
    ),
    (
        "labels for a face",
        lambda path: plain(path, (1, 5, 2100)),
        {"labels": "happiness,sadness"},
        r"--labels names 2 class\(es\), but .* have 1",
    ),
    (
        "other names in the file",
        lambda path: write_export(path, Export("v8", classes=3, metadata=(("names", "['a', 'b']"),))),
        {},
        r"the file names 2 class\(es\), but .* have 3",
    ),
    ("no labels", lambda path: plain(path, (1, 7, 2100)), {}, r"class 0 \(nameless\), 1 \(nameless\)"),
    (
        "unknown label",
        lambda path: plain(path, (1, 6, 2100)),
        {"labels": "happiness,boredom"},
        r"class 1 \(boredom\) is none of neutral, happiness",
    ),
    (
        "twice the same",
        lambda path: plain(path, (1, 6, 2100)),
        {"labels": "happy,happiness"},
        r"several classes are labelled happiness",
    ),
    (
        "no face class",
        lambda path: write_export(path, Export("v8", metadata=(("names", "{0: 'person'}"),))),
        {},
        r"only class of the file is called 'person': pass --labels face",
    ),
    (
        "either head",
        lambda path: plain(path, (1, 2100, 6)),
        {},
        r"yolo_anchor with 1 .* or yolo_fused with 2",
    ),
    (
        "head that does not fit",
        lambda path: plain(path, (1, 5, 2100)),
        {"head": "yolo_dfl"},
        r"1x5x2100\) can't be read as yolo_dfl",
    ),
    (
        "logits as finished rows",
        lambda path: plain(path, (1, 5, 2100)),
        {"scale": "0-255"},
        r"hold 0\.0 to .* where probabilities are needed",
    ),
    (
        "finished scores as raw maps",
        lambda path: write_export(path, Export("v8_raw", finished=True)),
        {},
        r"which are probabilities already: export the maps before the sigmoid",
    ),
    ("not a number", not_a_number, {}, r"no finite number: export it in float32"),
    (
        "head unheard of",
        lambda path: plain(path, (1, 5, 2100)),
        {"head": "ssd"},
        r"--head ssd is unknown: use",
    ),
    ("colour unheard of", lambda path: plain(path, (1, 5, 2100)), {"colour": "HSV"}, r"use RGB or BGR"),
    ("scale unheard of", lambda path: plain(path, (1, 5, 2100)), {"scale": "1"}, r"use 0-1 or 0-255"),
    ("name", lambda path: plain(path, (1, 5, 2100)), {"name": "../up"}, r"can't name a network"),
    ("anchors", lambda path: plain(path, (1, 5, 2100)), {"anchors": "10,x"}, r"--anchors 10,x can't be read"),
    (
        "no picture",
        lambda path: plain(path, (1, 5, 2100)),
        {"image": "here"},
        r"--image here is missing or no",
    ),
    (
        "bytes are 0-255",
        lambda path: plain(path, (1, 5, 2100), takes="UINT8"),
        {"scale": "0-1"},
        r"does not fit a file that takes uint8 pixels",
    ),
]


@pytest.mark.parametrize(
    ("make", "options", "words"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_refusal_says_what_is_wrong_and_leaves_nothing_behind(
    make: Callable[[Path], Path], options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    path = make(tmp_path / "user.onnx")
    with pytest.raises(AgentError, match=words) as refusal:
        bring(path, **options)
    assert "\n" not in str(refusal.value)
    assert refusal.value.exit_code in {2, 3}
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("seed", range(4))
def test_a_file_altered_by_chance_is_imported_or_refused_in_one_sentence(seed: int, tmp_path: Path) -> None:
    good = write_export(tmp_path / "user.onnx", Export("v8")).read_bytes()
    chance = random.Random(seed)  # noqa: S311 - the same every time
    for number in range(5):
        (tmp_path / "user.onnx").write_bytes(mutated_onnx(good, chance))
        bundle = tmp_path / f"bundle-{number}"
        refused = ""
        try:
            bring(tmp_path / "user.onnx", bundle=bundle)
        except AgentError as refusal:
            refused = str(refusal)
        assert len(refused.splitlines()) == (not bundle.exists())


def test_what_a_file_notes_is_recorded_in_one_printable_line(tmp_path: Path) -> None:
    metadata = (("license", "MIT\n\x1b[2Jtraining_data = 1"),)
    placed, _ = bring(write_export(tmp_path / "us\x1b[31mer.onnx", Export("v8", metadata=metadata)))
    assert placed.entry.licence == r"MIT\n\x1b[2Jtraining_data = 1"
    assert placed.entry.training_data[0].startswith(r"unknown: imported from us\x1b[31mer.onnx with")


def test_a_refused_file_prints_nothing_by_way_of_the_runtime(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ModelError, match=r"user\.onnx"):
        bring(operator_of_no_letters(tmp_path / "user.onnx"))
    assert capfd.readouterr() == ("", "")


def escaping(path: Path) -> Path:
    model = onnx.load(str(plain(path, (1, 300, 6))))
    model.graph.output[0].name = model.graph.node[-1].output[0] = "\x1b[31mred\x07"
    onnx.save(model, str(path))
    return path


def test_names_in_a_file_never_steer_the_terminal(tmp_path: Path) -> None:
    path = escaping(tmp_path / "user.onnx")
    done = CliRunner().invoke(models_app, ["import", str(path), "--bundle", str(tmp_path / "bundle")])
    assert done.exit_code == 3
    assert r"\x1b[31mred\x07 1x300x6) can't be read" in done.output
    assert "\x1b" not in done.output
    assert len(done.output.splitlines()) == 1


def test_an_import_that_never_ends_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here by a picture that nobody writes."""
    path = write_export(tmp_path / "user.onnx", Export("v8"))
    monkeypatch.setattr(importing, "LONGEST_IMPORT_S", 1.0)
    arguments = ["import", str(path), "--image", str(pipe(tmp_path / "picture.png"))]
    done = CliRunner().invoke(models_app, [*arguments, "--bundle", str(tmp_path / "bundle")])
    assert done.exit_code == 3
    assert "was not understood within 1 s" in done.output
    assert not (tmp_path / "bundle").exists()


def test_a_file_that_fells_the_process_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced = tmp_path / "replaced" / "onnxruntime"
    replaced.mkdir(parents=True)
    (replaced / "__init__.py").write_text("import ctypes; ctypes.string_at(0)")
    monkeypatch.setattr(child, "product_path", lambda: [str(replaced.parent), str(ROOT)])
    path = write_export(tmp_path / "user.onnx", Export("v8"))
    done = CliRunner().invoke(models_app, ["import", str(path), "--bundle", str(tmp_path / "bundle")])
    assert done.exit_code == 3
    assert done.output.count("\n") == 1
    assert "user.onnx ends the process that tries it (status -11): export it anew" in done.output


def test_altered_bundle_is_not_added_to(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "manifest.toml").write_text("schema_version = 7\n")
    with pytest.raises(ModelError, match=r"manifest\.toml"):
        bring(write_export(tmp_path / "user.onnx", Export("v8")))


def test_second_network_of_a_family_must_have_its_labels(tmp_path: Path) -> None:
    bring(write_export(tmp_path / "user.onnx", Export("v8")))
    other = write_export(tmp_path / "other.onnx", Export("v8", classes=2, side_px=256))
    with pytest.raises(ConfigError, match="with other labels already: choose another --name"):
        bring(other, labels="anger,sadness")


@pytest.mark.parametrize(
    ("metadata", "stated", "recorded", "warned"),
    [
        (
            (("license", "AGPL-3.0 License (https://ultralytics.com/license)"),),
            None,
            "AGPL-3.0 Lic",
            "AGPL-3.0",
        ),
        ((), "GPL-3.0-only", "GPL-3.0-only", "licence GPL-3.0-only"),
        (
            (("license", "AGPL-3.0"),),
            "Enterprise, contract 12",
            "Enterprise",
            "the file itself notes AGPL-3.0",
        ),
        ((), None, "not stated", "names no licence"),
        ((), "Apache-2.0", "Apache-2.0", ""),
        ((("license", "MIT"),), None, "MIT", ""),
    ],
)
def test_licence_is_recorded_and_copyleft_warned_of(
    metadata: tuple[tuple[str, str], ...], stated: str | None, recorded: str, warned: str, tmp_path: Path
) -> None:
    path = write_export(tmp_path / "user.onnx", Export("v8", metadata=metadata))
    picture = tmp_path / "picture.png"
    cv2.imwrite(str(picture), draw([(0, 96, 128)]))
    placed, said = bring(path, licence=stated, image=picture)
    assert placed.entry.licence.startswith(recorded)
    assert [line for line in said.splitlines() if line.startswith("warning:")] == [] if not warned else True
    assert warned in said


def test_wrong_colour_order_is_noticed_by_a_face_whose_place_is_known(tmp_path: Path) -> None:
    path = write_export(tmp_path / "user.onnx", Export("v8"))
    picture = tmp_path / "picture.png"
    cv2.imwrite(str(picture), draw([(0, 96, 128)]))
    placed, said = bring(path, colour="BGR", image=picture)
    assert "nothing found" in said
    assert "--colour RGB --scale 0-1" in said
    known = Picture("the drawing", draw([(0, 96, 128)]), Box(96, 128, 96 + FACE_PX, 128 + FACE_PX))
    with pytest.raises(ModelError, match=r"as BGR 0-1, but finds it .* as RGB 0-1: pass --colour RGB"):
        look(NetworkContent.read(path, "onnxruntime"), placed.entry, known, lambda _line: None)


def test_face_elsewhere_than_the_known_one_is_warned_of(tmp_path: Path) -> None:
    path = write_export(tmp_path / "user.onnx", Export("v8"))
    picture = tmp_path / "picture.png"
    cv2.imwrite(str(picture), draw([(0, 96, 128)]))
    placed, _ = bring(path, image=picture)
    said: list[str] = []
    look(
        NetworkContent.read(path, "onnxruntime"),
        placed.entry,
        Picture("the drawing", draw([(0, 0, 0)]), Box(200, 200, 300, 300)),
        said.append,
    )
    assert any("none of them is where the face is" in line for line in said)


def test_mapping_renames_the_files_own_classes_or_their_numbers() -> None:
    names = ("Happy", "mad", "zzz")
    assert resolve_labels(parse_labels("zzz=fear"), names, 3) == ("happiness", "anger", "fear")
    assert resolve_labels(parse_labels("0=fear,1=anger"), (), 2) == ("fear", "anger")
    assert resolve_labels(parse_labels("ZZZ=sad, mad=disgust"), names, 3) == (
        "happiness",
        "disgust",
        "sadness",
    )
    with pytest.raises(ConfigError, match=r"maps dull, but the classes are Happy, mad, zzz"):
        resolve_labels(parse_labels("dull=fear"), names, 3)


@pytest.mark.parametrize("text", ["", "happiness,,sadness", "happy=happiness,sadness", "=fear", "happy="])
def test_labels_that_are_neither_list_nor_mapping_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="can't be read"):
        parse_labels(text)


@given(st.lists(st.sampled_from(EMOTIONS), min_size=2, unique=True))
def test_list_in_this_projects_words_is_taken_as_it_is(labels: list[str]) -> None:
    assert resolve_labels(parse_labels(", ".join(labels)), (), len(labels)) == tuple(labels)


@given(st.text(min_size=1, max_size=30), st.integers(2, 8))
def test_whatever_the_file_calls_its_classes_nothing_but_known_labels_comes_out(
    name: str, count: int
) -> None:
    names = (name, *EMOTIONS[: count - 1])
    try:
        labels = resolve_labels(Labels(), names, count)
    except ConfigError:
        return
    assert set(labels) <= set(EMOTIONS)
    assert len(set(labels)) == count


@pytest.mark.parametrize("with_scikit_image", [True, False])
def test_place_of_the_built_in_face_is_where_the_shipped_detector_finds_it(
    *, with_scikit_image: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = default_bundle_folder() / "yolo_face_pico_320.fp32.onnx"
    placed, _ = bring(shipped, colour="BGR", bundle=tmp_path / "bundle")
    if not with_scikit_image:
        monkeypatch.setitem(sys.modules, "skimage", None)
    picture = read_picture(None)
    said: list[str] = []
    look(NetworkContent.read(shipped, "onnxruntime"), placed.entry, picture, said.append)
    assert ("built-in portrait" in said[0]) is with_scikit_image
    assert not any(line.startswith("warning") for line in said)
