"""The bundle on disk is complete, keeps what it had, and a reader never meets half a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest

from agent.errors import ModelError
from agent.inference.backends.opening import load_network
from agent.inference.bundle.manifest import Bundle
from agent.inference.bundle.trust import read_signature
from models.bundling.writer import write_networks
from tests.support.network_fixtures import FACE, SCENE, make_entry, make_file, write_onnx
from tests.support.signing_fixtures import sign

if TYPE_CHECKING:
    from pathlib import Path

    from agent.inference.bundle.manifest import NetworkEntry


def artefact(folder: Path, name: str, rows: int = 84) -> tuple[NetworkEntry, dict[str, bytes]]:
    """A network that answers ``rows`` boxes, so that other rows make another file."""
    source = write_onnx(folder / f"source-{name}-{rows}.onnx", SCENE.shape, [("out", (1, 5, rows))])
    file = make_file(f"{name}.onnx", content=source.read_bytes())
    file = file.model_copy(update={"scores": {"ap50_8px": 1 / 3}})
    return make_entry(SCENE, files=(file,)), {f"{name}.onnx": source.read_bytes()}


def rows_of(bundle: Path, name: str) -> int:
    """Of the network that a reader of the bundle would run."""
    loaded = Bundle.load(bundle)
    entry = loaded.manifest.networks[name]
    network = load_network(loaded, name, entry, backend="onnxruntime", precision="fp32", threads=1)
    return network.network.output_shapes[0][2]


def test_written_bundle_loads_and_its_digests_hold(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    entry, files = artefact(tmp_path, "a")
    write_networks(bundle, {"a": entry}, files)
    loaded = Bundle.load(bundle)
    assert rows_of(bundle, "a") == 84
    assert loaded.manifest.networks["a"].files[0].scores == {"ap50_8px": pytest.approx(1 / 3, abs=1e-6)}
    assert loaded.manifest.networks["a"].input == SCENE


def test_other_networks_stay(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    for name in ("a", "b"):
        entry, files = artefact(tmp_path, name)
        write_networks(bundle, {name: entry}, files)
    loaded = Bundle.load(bundle)
    assert set(loaded.manifest.networks) == {"a", "b"}
    for entry in loaded.manifest.networks.values():
        loaded.read(entry.files[0])


def test_network_is_replaced_with_its_file(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    for rows in (84, 21):
        entry, files = artefact(tmp_path, "a", rows)
        write_networks(bundle, {"a": entry}, files)
    assert rows_of(bundle, "a") == 21
    assert not list(bundle.glob("*.partial"))


def test_a_rebuilt_bundle_is_unsigned_until_somebody_signs_it(tmp_path: Path) -> None:
    """The old signature doesn't fit; left in place it would look like an attack."""
    bundle = tmp_path / "bundle"
    entry, files = artefact(tmp_path, "a")
    write_networks(bundle, {"a": entry}, files)
    sign(bundle)
    write_networks(bundle, {"b": entry.model_copy(update={"family": "b"})}, files)
    assert read_signature(bundle) is None


def test_interrupted_write_leaves_no_network_that_would_run(tmp_path: Path) -> None:
    """New file, old manifest: what a crash between the two leaves is refused, not run."""
    bundle = tmp_path / "bundle"
    entry, files = artefact(tmp_path, "a")
    write_networks(bundle, {"a": entry}, files)
    new_entry, new_files = artefact(tmp_path, "a", rows=21)
    (bundle / "reference.npz").unlink()
    (bundle / "reference.npz").mkdir()
    with pytest.raises(IsADirectoryError):
        write_networks(bundle, {"a": new_entry}, new_files)
    loaded = Bundle.load(bundle)
    with pytest.raises(ModelError, match="sha256"):
        loaded.read(loaded.manifest.networks["a"].files[0])


def test_a_network_that_is_not_what_its_entry_says_changes_nothing(tmp_path: Path) -> None:
    """Neither an existing bundle nor the disk: a folder half made would be in the way of the next try."""
    bundle = tmp_path / "bundle"
    entry, files = artefact(tmp_path, "a")
    write_networks(bundle, {"a": entry}, files)
    sign(bundle)
    before = {path.name: path.read_bytes() for path in bundle.iterdir()}
    other, other_files = artefact(tmp_path, "a", rows=21)
    takes_another_size = other.model_copy(update={"input": FACE})
    cases = (({"a": entry}, other_files), ({"a": takes_another_size}, other_files))
    for entries, contents in cases:
        for folder in (bundle, tmp_path / "new"):
            with pytest.raises(ModelError):
                write_networks(folder, entries, contents)
    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == before
    assert not (tmp_path / "new").exists()


def test_answers_that_half_precision_cannot_hold_are_refused(tmp_path: Path) -> None:
    """Stored as infinite, they would let no backend agree."""
    path = write_onnx(tmp_path / "net.onnx", SCENE.shape, [("out", (1, 5, 84))])
    model = onnx.load(str(path))
    model.graph.node[-1].output[0] = "small"
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1e6], np.float32), "million"))
    model.graph.node.append(onnx.helper.make_node("Mul", ["small", "million"], ["out"]))
    content = model.SerializeToString()
    entry = make_entry(SCENE, files=(make_file("net.onnx", content=content),))
    with pytest.raises(ModelError, match="answers numbers that no box or score has"):
        write_networks(tmp_path / "new", {"net": entry}, {"net.onnx": content})


def test_a_disk_that_refuses_leaves_no_new_folder(tmp_path: Path) -> None:
    entry, files = artefact(tmp_path, "a")
    with pytest.raises(OSError, match=r"a\.onnx"):
        write_networks(tmp_path / "new", {"a": entry}, {**files, "a.onnx/b.onnx": b"its folder is a file"})
    assert not (tmp_path / "new").exists()


def test_same_networks_give_the_same_manifest(tmp_path: Path) -> None:
    entry, files = artefact(tmp_path, "a")
    for name in ("first", "second"):
        write_networks(tmp_path / name, {"a": entry}, files)
    assert (tmp_path / "first" / "manifest.toml").read_bytes() == (
        tmp_path / "second" / "manifest.toml"
    ).read_bytes()


def test_broken_manifest_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "manifest.toml").write_text("networks = 3")
    entry, files = artefact(tmp_path, "a")
    with pytest.raises(ModelError, match=r"manifest\.toml"):
        write_networks(tmp_path, {"a": entry}, files)
    assert (tmp_path / "manifest.toml").read_text() == "networks = 3"
