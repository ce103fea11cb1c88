"""A bundle is what its manifest says, or it is refused with the reason."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
import tomli_w

from agent.errors import ModelError
from agent.inference.bundle.manifest import Bundle
from agent.inference.bundle.place import default_bundle_folder
from agent.settings import ModelsSettings
from tests.support.mutation import mutated_manifest
from tests.support.network_fixtures import SCENE, make_entry, make_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


NETWORK_SUFFIXES = {".onnx", ".xml", ".bin", ".tflite"}


def plain(name: str = "net", **fields: Any) -> dict[str, Any]:
    entry = make_entry(SCENE, files=(make_file("net.onnx", content=b"weights"),), **fields)
    return {"schema_version": 1, "networks": {name: entry.model_dump(mode="json", exclude_none=True)}}


def written(folder: Path, content: dict[str, Any]) -> Path:
    (folder / "manifest.toml").write_text(tomli_w.dumps(content))
    (folder / "net.onnx").write_bytes(b"weights")
    return folder


def test_manifest_survives_the_trip_through_toml(tmp_path: Path) -> None:
    bundle = Bundle.load(written(tmp_path, plain()))
    entry = bundle.manifest.networks["net"]
    assert entry.input == SCENE
    assert bundle.read(entry.files[0]).network == b"weights"


def test_family_lists_its_sizes_largest_first(tmp_path: Path) -> None:
    content = plain("small")
    content["networks"]["large"] = plain()["networks"]["net"] | {
        "input": {"height_px": 320, "width_px": 320, "colour": "BGR"},
    }
    assert list(Bundle.load(written(tmp_path, content)).family("test")) == ["large", "small"]


def test_unknown_family_is_refused_naming_the_known(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no network 'yolo'; it has test"):
        Bundle.load(written(tmp_path, plain())).family("yolo")


def test_altered_file_is_refused(tmp_path: Path) -> None:
    bundle = Bundle.load(written(tmp_path, plain()))
    (tmp_path / "net.onnx").write_bytes(b"Weights")
    with pytest.raises(ModelError, match=r"net\.onnx has sha256"):
        bundle.read(bundle.manifest.networks["net"].files[0])


def test_missing_file_is_refused(tmp_path: Path) -> None:
    bundle = Bundle.load(written(tmp_path, plain()))
    (tmp_path / "net.onnx").unlink()
    with pytest.raises(ModelError, match="can't read model file"):
        bundle.read(bundle.manifest.networks["net"].files[0])


def test_weights_beside_the_network_are_verified_too(tmp_path: Path) -> None:
    content = plain()
    content["networks"]["net"]["files"][0] |= {"backend": "openvino", "path": "net.xml"}
    unsaid = Bundle.load(written(tmp_path, content)).manifest.networks["net"].files[0]
    content["networks"]["net"]["files"][0]["weights_sha256"] = make_file(content=b"bin").sha256
    bundle = Bundle.load(written(tmp_path, content))
    file = bundle.manifest.networks["net"].files[0]
    (tmp_path / "net.onnx").rename(tmp_path / "net.xml")
    (tmp_path / "net.bin").write_bytes(b"bin")
    assert (bundle.read(file).network, bundle.read(file).weights) == (b"weights", b"bin")
    with pytest.raises(ModelError, match=r"net\.bin"):
        bundle.read(unsaid)
    (tmp_path / "net.bin").write_bytes(b"other")
    with pytest.raises(ModelError, match=r"net\.bin"):
        bundle.read(file)


def misspelt(network: dict[str, Any]) -> None:
    network["labelz"] = network.pop("labels")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (misspelt, "labels"),
        (lambda network: network.update(head="ssd"), "head"),
        (lambda network: network.update(temperature=0), "temperature"),
        (lambda network: network.update(files=[]), "files"),
        (lambda network: network["files"][0].update(path="../../etc/passwd"), "path"),
        (lambda network: network["files"][0].update(path="/etc/passwd"), "path"),
        (lambda network: network["files"][0].update(sha256="abc"), "sha256"),
        (lambda network: network["input"].update(width_px=0), "width_px"),
        (lambda network: network["input"].update(scale=float("nan")), "scale"),
        (lambda network: network["input"].update(scale=1e300), "scale"),
        (lambda network: network.update(strides=[0]), "strides"),
        (lambda network: network.update(strides=[10**400]), "strides"),
        (lambda network: network.update(family="\x1b[2J"), "family"),
        (lambda network: network.update(licence="MIT\nerror: none"), "licence"),
        (lambda network: network.update(training_data=["\u202egnp"]), "training_data"),
    ],
)
def test_broken_manifest_is_refused_naming_the_key(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], named: str
) -> None:
    content = plain()
    change(content["networks"]["net"])
    with pytest.raises(ModelError, match=named) as refusal:
        Bundle.load(written(tmp_path, content))
    assert "manifest.toml" in str(refusal.value)


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"not toml [",
        b"\xff\xfe",
        b"schema_version = " + b"9" * 5_000,
        b"networks = " + b"[" * 3_000,
        b"networks = " + b"{a = " * 3_000,
        b"a." * 100_000 + b"a = 1",
        b"schema_version = nan",
        b"schema_version = 1979-05-27",
        b"schema_version = 1\nnetworks = [1, 2]",
        b"schema_version = 1\n[networks]\nnet = 7",
        b'schema_version = 1\n[networks]\n"\\u001b[2J" = {}',
        b'schema_version = 1\n"' + b"x" * 100_000 + b'" = 1',
    ],
    ids=lambda content: repr(content)[:40],
)
def test_unreadable_manifest_is_one_sentence(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "manifest.toml").write_bytes(content)
    with pytest.raises(ModelError, match=r"manifest\.toml") as refusal:
        Bundle.load(tmp_path)
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 500


@pytest.mark.parametrize("seed", range(4))
def test_a_manifest_altered_by_chance_is_understood_or_refused_in_one_sentence(
    seed: int, tmp_path: Path
) -> None:
    shipped = (default_bundle_folder() / "manifest.toml").read_bytes()
    chance = random.Random(seed)  # noqa: S311 - the same every time
    for _ in range(25):
        (tmp_path / "manifest.toml").write_bytes(mutated_manifest(shipped, chance))
        try:
            bundle = Bundle.load(tmp_path)
        except ModelError as error:
            said = str(error)
        else:
            said = "".join((entry.family + entry.licence) for entry in bundle.manifest.networks.values())
        assert said.isprintable()


def test_shipped_bundle_has_the_default_networks_in_every_precision() -> None:
    bundle = Bundle.load(default_bundle_folder())
    settings = ModelsSettings()
    for family in (settings.detector, settings.classifier):
        for entry in bundle.family(family).values():
            precisions = {file.precision for file in entry.files if file.backend == "onnxruntime"}
            assert precisions == {"fp32", "int8_u8s8", "int8_s8s8"}
            assert all(file.scores for file in entry.files)


def test_shipped_bundle_holds_no_file_that_the_manifest_does_not_name() -> None:
    bundle = Bundle.load(default_bundle_folder())
    files = [file for entry in bundle.manifest.networks.values() for file in entry.files]
    named = {bundle.folder / file.path for file in files}
    named |= {path.with_suffix(".bin") for path in named if path.suffix == ".xml"}
    networks = {path for path in bundle.folder.rglob("*") if path.suffix in NETWORK_SUFFIXES}
    assert networks == named
