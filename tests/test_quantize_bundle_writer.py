"""The bundle on disk is complete, keeps what it had, and a reader never meets half a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.errors import ModelError
from agent.inference.manifest import Bundle
from quantize.bundle_writer import sha256_of, write_networks
from tests.network_fixtures import FACE, SCENE, make_entry, make_file

if TYPE_CHECKING:
    from pathlib import Path

    from agent.inference.manifest import NetworkEntry


def artefact(folder: Path, name: str, content: bytes) -> tuple[NetworkEntry, dict[str, Path]]:
    source = folder / f"source-{name}"
    source.write_bytes(content)
    file = make_file(f"{name}.onnx", content=content).model_copy(update={"scores": {"ap50_8px": 1 / 3}})
    return make_entry(SCENE, files=(file,)), {f"{name}.onnx": source}


def test_written_bundle_loads_and_its_digests_hold(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    entry, files = artefact(tmp_path, "a", b"one")
    write_networks(bundle, {"a": entry}, files)
    loaded = Bundle.load(bundle)
    assert loaded.resolve(loaded.manifest.networks["a"].files[0]).read_bytes() == b"one"
    assert loaded.manifest.networks["a"].files[0].scores == {"ap50_8px": pytest.approx(1 / 3, abs=1e-6)}
    assert loaded.manifest.networks["a"].input == SCENE


def test_other_networks_stay(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    for name in ("a", "b"):
        entry, files = artefact(tmp_path, name, name.encode())
        write_networks(bundle, {name: entry}, files)
    loaded = Bundle.load(bundle)
    assert set(loaded.manifest.networks) == {"a", "b"}
    for entry in loaded.manifest.networks.values():
        loaded.resolve(entry.files[0])


def test_network_is_replaced_with_its_file(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    for content in (b"old", b"new"):
        entry, files = artefact(tmp_path, "a", content)
        write_networks(bundle, {"a": entry.model_copy(update={"input": FACE})}, files)
    loaded = Bundle.load(bundle)
    assert loaded.resolve(loaded.manifest.networks["a"].files[0]).read_bytes() == b"new"
    assert not list(bundle.glob("*.partial"))


def test_interrupted_write_leaves_no_network_that_would_run(tmp_path: Path) -> None:
    """New file, old manifest: what a crash between the two leaves is refused, not run."""
    bundle = tmp_path / "bundle"
    entry, files = artefact(tmp_path, "a", b"old")
    write_networks(bundle, {"a": entry}, files)
    new_entry, _ = artefact(tmp_path, "a", b"new")
    with pytest.raises(FileNotFoundError):
        write_networks(bundle, {"a": new_entry}, {"a.onnx": tmp_path / "source-a", "b.onnx": tmp_path / "no"})
    loaded = Bundle.load(bundle)
    with pytest.raises(ModelError, match="sha256"):
        loaded.resolve(loaded.manifest.networks["a"].files[0])


def test_same_networks_give_the_same_manifest(tmp_path: Path) -> None:
    entry, files = artefact(tmp_path, "a", b"one")
    for name in ("first", "second"):
        write_networks(tmp_path / name, {"a": entry}, files)
    assert sha256_of(tmp_path / "first" / "manifest.toml") == sha256_of(tmp_path / "second" / "manifest.toml")


def test_broken_manifest_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "manifest.toml").write_text("networks = 3")
    entry, files = artefact(tmp_path, "a", b"one")
    with pytest.raises(ModelError, match=r"manifest\.toml"):
        write_networks(tmp_path, {"a": entry}, files)
    assert (tmp_path / "manifest.toml").read_text() == "networks = 3"
