"""A user's YOLO export becomes a bundle that the agent runs, in whichever known layout it comes."""

from __future__ import annotations

import hashlib
import re
import sys
from dataclasses import astuple, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import onnx
import pytest
from typer.testing import CliRunner

import agent
from agent.assembly import build_pipeline
from agent.detector import Detector
from agent.inference.bundle.manifest import Bundle
from agent.inference.bundle.reference import load_reference
from agent.inference.networks import Networks, choose_networks
from agent.settings import AgentSettings, DeploymentSettings, ModelsSettings, ReplaySource
from models.__main__ import app as models_app
from models.importing.network import import_network
from models.importing.request import ImportRequest
from quantize.__main__ import app as quantize_app
from quantize.gate import AGREEMENT_POINTS
from quantize.plans.imported import FEWEST_PICTURES
from tests.support.network_fixtures import make_frame
from tests.support.places import ROOT
from tests.support.user_networks import ANCHORS, Export, draw, write_export

if TYPE_CHECKING:
    from typer.testing import Result

    from models.importing.network import Placed

pytestmark = pytest.mark.slow

SHARED = ROOT.parent / "shared"
PEER = SHARED / "peers" / "yolov8-lite-t.onnx"
PLACES = [(left, top) for left in (0, 64, 128, 224) for top in (0, 32, 96, 160, 192, 224)]
NAMES = (("names", "{0: 'angry', 1: 'sad', 2: 'Happy'}"),)
LABELS = ("anger", "sadness", "happiness")


def bring(path: Path, **options: Any) -> tuple[Placed, str]:
    """Import beside the file, checked on a picture that shows the first class."""
    picture = path.with_name("picture.png")
    cv2.imwrite(str(picture), draw([(0, 96, 128)]))
    lines: list[str] = []
    request = ImportRequest(path, name="mine", bundle=path.with_name("bundle"), image=picture)
    return import_network(replace(request, **options), lines.append), "\n".join(lines)


def open_networks(bundle: Path, detector: str, precision: str) -> tuple[Networks, AgentSettings]:
    """As the daemon does, from a configuration that names the bundle."""
    chosen = {"bundle": bundle, "detector": detector, "backend": "onnxruntime", "precision": precision}
    settings = AgentSettings(
        deployment=DeploymentSettings(site="lab", device="box", context="research"),
        sources={"door": ReplaySource(type="replay", path=bundle)},
        models=ModelsSettings.model_validate({**chosen, "allow_unsigned": True}),
    )
    return choose_networks(settings, None)[0], settings


def labels_seen(bundle: Path, kind: int, precision: str = "fp32", side_px: int = 320) -> list[str]:
    """What the agent's pipeline reads off one planted face, whose place is checked on the way."""
    networks, settings = open_networks(bundle, "mine", precision)
    frame = make_frame(draw([(kind, 96, 128)], side_px))
    faces = Detector(networks.detectors[0], settings.detector).detect(frame)
    assert [astuple(face.box) for face in faces] == [pytest.approx((96, 128, 192, 224), abs=3)]
    pipeline = build_pipeline(networks, settings, lambda: 0.0)
    steps = [pipeline.step(replace(frame, captured_at_s=0.1 * look)) for look in range(5)]
    for network in (*networks.detectors, networks.classifier):
        if network is not None:
            network.network.close()
    return [reading.label for reading in steps[-1].readings]


def make_pictures(folder: Path, classes: int, count: int = 45) -> Path:
    folder.mkdir()
    for index in range(count):
        left, top = PLACES[index % len(PLACES)]
        cv2.imwrite(str(folder / f"{index:03}.png"), draw([(index % classes, left, top)], seed=index))
    return folder


def quantize_imported(bundle: Path, images: Path) -> Result:
    arguments = ["imported", "mine", "--bundle", str(bundle), "--images", str(images)]
    return CliRunner().invoke(quantize_app, arguments)


@pytest.mark.parametrize(
    ("export", "head"),
    [
        (Export("v5", side_px=640), "yolo_anchor"),
        (Export("v5_face"), "yolo_anchor"),
        (Export("v5_both"), "yolo_anchor"),
        (Export("v5_raw"), "yolo_anchor_maps"),
        (Export("v8", opset=13), "yolo_fused"),
        (Export("v8_face"), "yolo_fused"),
        (Export("v8_raw"), "yolo_dfl"),
        (Export("v8_split"), "yolo_dfl"),
    ],
    ids=lambda value: getattr(value, "head", value),
)
def test_agent_finds_a_face_with_an_imported_face_network(export: Export, head: str, tmp_path: Path) -> None:
    anchors = {"anchors": " ".join(map(str, ANCHORS))} if export.head == "v5_raw" else {}
    picture = tmp_path / "full.png"
    cv2.imwrite(str(picture), draw([(0, 96, 128)], export.side_px))
    placed, said = bring(write_export(tmp_path / "user.onnx", export), image=picture, **anchors)
    assert (placed.entry.head, placed.entry.labels) == (head, ("face",))
    assert "1 face(s) found" in said
    # The classifier of the installed bundle came along and votes on it.
    assert len(labels_seen(tmp_path / "bundle", 0, side_px=export.side_px)) == 1


@pytest.mark.parametrize("head", ["v5", "v5_raw", "v8", "v8_raw", "v8_split"])
def test_agent_reads_expressions_off_an_imported_single_stage_network(head: str, tmp_path: Path) -> None:
    anchors = {"anchors": " ".join(map(str, ANCHORS))} if head == "v5_raw" else {}
    path = write_export(tmp_path / "user.onnx", Export(head, classes=3, metadata=NAMES))
    placed, said = bring(path, **anchors)
    assert (placed.entry.task, placed.entry.labels) == ("face_emotion", LABELS)
    assert "score 0.99, anger 0.99" in said or "score 1.00, anger 1.00" in said
    assert list(Bundle.load(tmp_path / "bundle").manifest.networks) == ["mine_320"]
    for kind, label in enumerate(LABELS):
        assert labels_seen(tmp_path / "bundle", kind) == [label]


@pytest.mark.parametrize(
    "export",
    [
        Export("v5", opset=12),
        Export("v8", classes=3, metadata=NAMES),
        Export("v5_raw", classes=3, opset=11, metadata=NAMES),
    ],
    ids=["v5-fused-face", "v8-fused-expressions", "v5-raw-expressions"],
)
def test_quantised_import_still_finds_the_face(export: Export, tmp_path: Path) -> None:
    anchors = {"anchors": " ".join(map(str, ANCHORS))} if export.head == "v5_raw" else {}
    bring(write_export(tmp_path / "user.onnx", export), licence="MIT", **anchors)
    bundle = tmp_path / "bundle"
    done = quantize_imported(bundle, make_pictures(tmp_path / "pictures", export.classes))
    assert done.exit_code == 0, done.output
    entry = Bundle.load(bundle).manifest.networks["mine_320"]
    assert {file.precision for file in entry.files} == {"fp32", "int8_u8s8", "int8_s8s8"}
    assert {file.scores["agreement"] for file in entry.files} == {1.0}
    assert entry.licence == "MIT"
    for precision in ("int8_u8s8", "int8_s8s8"):
        model = onnx.load(str(bundle / f"mine_320.{precision}.onnx"))
        assert any(node.op_type == "DequantizeLinear" for node in model.graph.node)
        seen = labels_seen(bundle, 0, precision)
        assert len(seen) == 1
        assert export.classes == 1 or seen == ["anger"]


def test_first_layers_stay_in_float_where_eight_bits_lose_the_faces(tmp_path: Path) -> None:
    bring(write_export(tmp_path / "user.onnx", Export("v8", outlier=1e4, outlier_ends=True)))
    done = quantize_imported(tmp_path / "bundle", make_pictures(tmp_path / "pictures", 1))
    assert done.exit_code == 0, done.output
    assert "trying again with more of the first layers in float" in done.output
    model = onnx.load(str(tmp_path / "bundle" / "mine_320.int8_u8s8.onnx"))
    (first,) = [node for node in model.graph.node if "images" in node.input]
    assert first.op_type == "Conv"
    assert len(labels_seen(tmp_path / "bundle", 0, "int8_u8s8")) == 1


def test_quantised_network_that_sees_other_faces_is_refused_and_the_bundle_stays(tmp_path: Path) -> None:
    bring(write_export(tmp_path / "user.onnx", Export("v8", outlier=1e4)))
    before = {path.name: path.read_bytes() for path in (tmp_path / "bundle").iterdir()}
    done = quantize_imported(tmp_path / "bundle", make_pictures(tmp_path / "pictures", 1))
    assert done.exit_code == 3
    assert "agreement 100.00" in done.output
    assert {path.name: path.read_bytes() for path in (tmp_path / "bundle").iterdir()} == before


def astronaut_readings(bundle: Path, precision: str) -> int:
    """How many faces the agent's pipeline reads off scikit-image's portrait."""
    from skimage import data  # noqa: PLC0415 - only with the extra

    networks, settings = open_networks(bundle, "mine", precision)
    frame = make_frame(data.astronaut()[:, :, ::-1].copy())
    pipeline = build_pipeline(networks, settings, lambda: 0.0)
    steps = [pipeline.step(replace(frame, captured_at_s=0.1 * look)) for look in range(5)]
    return len(steps[-1].readings)


def test_foreign_yolov8_with_raw_heads_is_imported_as_it_is(tmp_path: Path) -> None:
    """A network made by others, with landmark channels and a licence of its own in the file."""
    if not PEER.exists():
        pytest.skip(f"{PEER} is not on this machine")
    placed, said = bring(PEER, bundle=tmp_path / "bundle", image=None)
    assert placed.entry.head == "yolo_dfl"
    assert placed.entry.labels == ("face",)
    assert placed.entry.licence.startswith("AGPL-3.0")
    assert "warning: licence AGPL-3.0" in said
    assert "1 face(s) found in the built-in portrait" in said
    copy = tmp_path / "bundle" / "mine_640.fp32.onnx"
    assert copy.read_bytes() == PEER.read_bytes()
    assert astronaut_readings(tmp_path / "bundle", "fp32") == 1


def test_foreign_yolov8_passes_the_gate_and_still_finds_the_face_in_eight_bits(tmp_path: Path) -> None:
    if not PEER.exists() or not (SHARED / "data" / "scenes.zip").exists():
        pytest.skip(f"{PEER} or the scenes of {SHARED / 'data'} are not on this machine")
    from models.data.scenes import read_scenes  # noqa: PLC0415 - only with the data

    bring(PEER, bundle=tmp_path / "bundle", image=None)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    photos = [photo for photo in read_scenes(SHARED / "data", "valid") if len(photo.faces)]
    for photo in photos[: 2 * FEWEST_PICTURES]:
        cv2.imwrite(str(pictures / f"{Path(photo.name).stem}.png"), photo.pixels)
    done = quantize_imported(tmp_path / "bundle", pictures)
    assert done.exit_code == 0, done.output
    assert "licence of all its files: AGPL-3.0" in done.output
    for precision in ("int8_u8s8", "int8_s8s8"):
        assert astronaut_readings(tmp_path / "bundle", precision) == 1


def test_unchanged_file_is_copied_byte_for_byte_and_its_digest_recorded(tmp_path: Path) -> None:
    path = write_export(tmp_path / "user.onnx", Export("v8"))
    placed, said = bring(path)
    assert (tmp_path / "bundle" / "mine_320.fp32.onnx").read_bytes() == path.read_bytes()
    assert hashlib.sha256(path.read_bytes()).hexdigest() in placed.entry.training_data[0]
    assert "changed:" not in said


def test_file_of_any_input_size_is_fixed_at_the_size_asked_for(tmp_path: Path) -> None:
    path = write_export(tmp_path / "user.onnx", Export("v8_raw", dynamic=True))
    placed, said = bring(path, input_px="320x256")
    assert (placed.entry.input.width_px, placed.entry.input.height_px) == (320, 256)
    assert placed.key == "mine_320x256"
    assert "fixed at 1x3x256x320" in said
    model = onnx.load(str(tmp_path / "bundle" / "mine_320x256.fp32.onnx"))
    shapes = [
        [axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    ]
    assert shapes == [[1, 3, 256, 320], [1, 65, 32, 40], [1, 65, 16, 20], [1, 65, 8, 10]]


def test_one_network_at_two_sizes_is_one_family(tmp_path: Path) -> None:
    path = write_export(tmp_path / "user.onnx", Export("v8_raw", dynamic=True))
    for size in ("320", "256"):
        bring(path, input_px=size)
    assert list(Bundle.load(tmp_path / "bundle").family("mine")) == ["mine_320", "mine_256"]


def test_nothing_is_overwritten_unless_asked_for(tmp_path: Path) -> None:
    path = write_export(tmp_path / "user.onnx", Export("v8"))
    arguments = ["import", str(path), "--name", "mine", "--bundle", str(tmp_path / "bundle")]
    first = CliRunner().invoke(models_app, arguments)
    assert first.exit_code == 0, first.output
    assert 'detector = "mine"' in first.output
    again = CliRunner().invoke(models_app, arguments)
    assert (again.exit_code, "--replace" in again.output) == (2, True)
    assert CliRunner().invoke(models_app, [*arguments, "--replace"]).exit_code == 0
    strange = tmp_path / "photos"
    strange.mkdir()
    (strange / "cat.jpg").write_bytes(b"miaow")
    refused = CliRunner().invoke(models_app, ["import", str(path), "--bundle", str(strange)])
    assert (refused.exit_code, "holds something other than a bundle" in refused.output) == (2, True)
    assert [entry.name for entry in strange.iterdir()] == ["cat.jpg"]


def test_import_needs_no_scikit_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The installed bundle has the picture that reference answers are given to, byte for byte."""
    path = write_export(tmp_path / "user.onnx", Export("v8"))
    bring(path, name="with")
    monkeypatch.setitem(sys.modules, "skimage", None)
    bring(path, name="without", bundle=tmp_path / "other")
    first, second = (load_reference(Bundle.load(tmp_path / name)) for name in ("bundle", "other"))
    assert first is not None
    assert second is not None
    assert (first.picture == second.picture).all()


def test_page_for_users_names_every_option_and_layout() -> None:
    page = (Path(agent.__file__).parent / "docs" / "own-network.md").read_text(encoding="utf-8")
    shown = CliRunner().invoke(models_app, ["import", "--help"], env={"COLUMNS": "200"}).output
    options = set(re.findall(r"--[a-z]+(?:-[a-z]+)*", shown)) - {"--help"}
    assert len(options) > 10
    assert [name for name in options if f"`{name}`" not in page] == []
    assert "97 %" in page
    assert AGREEMENT_POINTS == 3.0
    assert f"At least {FEWEST_PICTURES} pictures" in " ".join(page.split())
