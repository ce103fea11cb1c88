"""The bytes that were verified are the bytes that run, whatever becomes of the files meanwhile."""

from __future__ import annotations

import gc
import os
import random
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from agent.errors import AgentError
from agent.inference.backends.opening import load_network, open_network
from agent.inference.bundle.content import MOST_TEXT_BYTES, NetworkContent
from agent.inference.bundle.manifest import Bundle, Manifest
from agent.inference.bundle.place import MANIFEST, default_bundle_folder
from agent.inference.bundle.reference import load_reference
from agent.inference.bundle.trust import SIGNATURE, read_signature, trusted_keys
from agent.settings import ModelsSettings
from tests.support.network_fixtures import SCENE, make_entry, make_file, write_onnx
from tests.support.swapping import loads_while_swapped

if TYPE_CHECKING:
    from collections.abc import Callable

LOADS = 80


def bundle_in(folder: Path) -> tuple[Bundle, bytes]:
    """One network, and another one with its ports: ``rows`` of the output tell them apart."""
    genuine = write_onnx(folder / "net.onnx", SCENE.shape, [("out", (1, 5, 84))]).read_bytes()
    impostor = write_onnx(folder / "impostor.onnx", SCENE.shape, [("out", (1, 5, 21))]).read_bytes()
    entry = make_entry(SCENE, files=(make_file("net.onnx", content=genuine),))
    return Bundle(folder, Manifest(schema_version=1, networks={"net": entry})), impostor


def test_a_file_that_is_exchanged_all_the_time_is_refused_or_the_right_one(tmp_path: Path) -> None:
    """A thread swaps it back and forth while it is loaded; a gap between check and use would show."""
    bundle, impostor = bundle_in(tmp_path)
    loaded = loads_while_swapped(bundle, impostor, LOADS, random.Random(5))  # noqa: S311 - no secret
    assert loaded == [((1, 5, 84),)] * LOADS


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "precision"),
    [("onnxruntime", "fp32"), ("openvino", "fp32"), ("openvino", "int8"), ("litert", "int8")],
)
def test_what_was_read_runs_though_the_files_are_gone(backend: str, precision: str, tmp_path: Path) -> None:
    """On every runtime; and goes on running once nobody else holds the bytes."""
    package = {"openvino": "openvino", "litert": "ai_edge_litert"}.get(backend, backend)
    pytest.importorskip(package, reason=f"{package} is not installed: pip install '.[{backend}]'")
    shipped = Bundle.load(default_bundle_folder())
    entry = shipped.manifest.networks["yolo_face_pico_224"]
    file = entry.file_for(backend, precision)
    assert file is not None
    for path in shipped.folder.glob(f"{Path(file.path).stem}*"):
        shutil.copy(path, tmp_path)
    expected = open_network(shipped.read(file), entry, threads=1).run()
    content = Bundle(tmp_path, shipped.manifest).read(file)
    for path in tmp_path.iterdir():
        path.unlink()
    network = open_network(content, entry, threads=1)
    del content
    gc.collect()
    for _ in range(3):
        for answer, right in zip(network.run(), expected, strict=True):
            np.testing.assert_array_equal(answer, right)


def fifo(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def itself(path: Path) -> None:
    path.symlink_to(path)


def folder(path: Path) -> None:
    path.mkdir()


def huge(path: Path) -> None:
    """Sparse: it takes no room."""
    with path.open("wb") as file:
        file.truncate(2**40)


READERS: dict[str, Callable[[Path], Any]] = {
    MANIFEST: lambda path: Bundle.load(path.parent),
    SIGNATURE: lambda path: read_signature(path.parent),
    "net.onnx": lambda path: NetworkContent.read(path, "onnxruntime"),
    "net.xml": lambda path: NetworkContent.read(path, "openvino"),
    "signer.pem": lambda path: trusted_keys(ModelsSettings(trusted_keys=(path,))),
    "reference.npz": lambda path: load_reference(
        Bundle(
            path.parent,
            Manifest.model_validate(
                {
                    "schema_version": 1,
                    "networks": {},
                    "reference": {"path": path.name, "sha256": "0" * 64},
                }
            ),
        )
    ),
}


@pytest.mark.parametrize("make", [fifo, endless, itself, folder, huge])
@pytest.mark.parametrize("name", list(READERS))
def test_what_is_no_file_of_a_sane_size_is_refused_at_once_and_in_one_sentence(
    name: str, make: Callable[[Path], None], tmp_path: Path
) -> None:
    path = tmp_path / name
    make(path)
    with pytest.raises(AgentError, match=name) as refusal:
        READERS[name](path)
    assert "\n" not in str(refusal.value)
    assert refusal.value.exit_code in {2, 3}


def test_a_link_to_a_file_is_that_file(tmp_path: Path) -> None:
    bundle, _ = bundle_in(tmp_path)
    (tmp_path / "net.onnx").rename(tmp_path / "elsewhere.onnx")
    (tmp_path / "net.onnx").symlink_to("elsewhere.onnx")
    entry = bundle.manifest.networks["net"]
    load_network(bundle, "net", entry, backend="auto", precision="auto", threads=1)


def test_the_shipped_manifest_is_far_from_the_limit() -> None:
    assert (default_bundle_folder() / MANIFEST).stat().st_size * 10 < MOST_TEXT_BYTES
