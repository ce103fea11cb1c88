"""ONNX Runtime runs a network without copies, and refuses files that are not what the manifest says."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from agent.errors import ModelError
from agent.inference.backends.onnx_runtime import OnnxRuntimeNetwork
from agent.inference.backends.opening import open_network
from agent.inference.bundle.content import NetworkContent
from agent.inference.bundle.manifest import Bundle, InputSpec
from agent.inference.bundle.place import default_bundle_folder
from tests.support.network_fixtures import FACE, SCENE, make_entry, write_onnx

if TYPE_CHECKING:
    from pathlib import Path

    from agent.inference.network import Network

MAPS = [("a", (1, 5, 8, 8)), ("b", (1, 5, 4, 4))]


@pytest.fixture
def network_file(tmp_path: Path) -> Path:
    return write_onnx(tmp_path / "network.onnx", SCENE.shape, MAPS)


def opened(path: Path, spec: InputSpec = SCENE) -> Network:
    return open_network(NetworkContent.read(path, "onnxruntime"), make_entry(spec), threads=1)


def test_run_reads_the_buffer_and_answers_in_graph_order(network_file: Path) -> None:
    network = opened(network_file)
    assert network.output_shapes == ((1, 5, 8, 8), (1, 5, 4, 4))
    for value in (0, 200, 7):
        network.input_buffer[...] = value
        outputs = network.run()
        assert [output.shape for output in outputs] == list(network.output_shapes)
        assert all((output == value).all() for output in outputs)


def test_runs_reuse_the_same_arrays(network_file: Path) -> None:
    network = opened(network_file)
    buffer, first = network.input_buffer, network.run()
    second = network.run()
    assert network.input_buffer is buffer
    assert all(a is b for a, b in zip(first, second, strict=True))


def test_runs_leave_no_memory_behind(network_file: Path) -> None:
    network = opened(network_file)
    tracemalloc.start()
    for _ in range(1_000):
        network.run()
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # The binding settles at some 30 kB of its own; one output kept per run would be over a megabyte.
    assert grown < 100_000


def test_every_file_of_the_shipped_bundle_runs() -> None:
    bundle = Bundle.load(default_bundle_folder())
    for entry in bundle.manifest.networks.values():
        for file in entry.files:
            if file.backend == "onnxruntime":
                network = OnnxRuntimeNetwork(bundle.read(file), entry, threads=1)
                network.input_buffer[...] = 90
                assert all(np.isfinite(output).all() for output in network.run())
                network.close()


@pytest.mark.parametrize(
    ("shape", "kind", "spec", "named"),
    [
        ((1, 64, 64, 3), "UINT8", FACE, ("1x64x64x3", "1x48x48x1")),
        ((1, 3, 64, 64), "UINT8", SCENE, ("1x3x64x64", "1x64x64x3")),
        ((1, 64, 64, 3), "FLOAT", SCENE, ("float32", "uint8")),
        ((1, 64, 64, 3), "INT8", SCENE, ("tensor(int8)", "uint8")),
    ],
)
def test_input_that_differs_from_the_manifest_is_refused_naming_both(
    tmp_path: Path, shape: tuple[int, ...], kind: str, spec: InputSpec, named: tuple[str, str]
) -> None:
    path = write_onnx(tmp_path / "network.onnx", shape, MAPS, input_type=kind)
    with pytest.raises(ModelError) as refusal:
        opened(path, spec)
    assert all(part in str(refusal.value) for part in named)


def test_outputs_of_changing_size_are_refused(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "network.onnx", SCENE.shape, [("boxes", (4, "many"))])
    with pytest.raises(ModelError, match="'boxes' is 4xmany"):
        opened(path)


def damaged(path: Path, damage: str) -> None:
    content = path.read_bytes()
    changed: dict[str, Any] = {
        "truncated": content[: len(content) // 2],
        "empty": b"",
        "not a network": b"#!/bin/sh\nexit 0\n" * 50,
        "zeroed": bytes(len(content)),
    }
    path.write_bytes(changed[damage])


@pytest.mark.parametrize("damage", ["truncated", "empty", "not a network", "zeroed"])
def test_damaged_file_is_one_sentence_with_exit_code_3(network_file: Path, damage: str) -> None:
    damaged(network_file, damage)
    with pytest.raises(ModelError) as refusal:
        opened(network_file)
    assert refusal.value.exit_code == 3
    assert str(network_file) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_damaged_file_prints_nothing_of_its_own(
    network_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    damaged(network_file, "truncated")
    with pytest.raises(ModelError):
        opened(network_file)
    assert capfd.readouterr() == ("", "")


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"absent\.onnx"):
        opened(tmp_path / "absent.onnx")
