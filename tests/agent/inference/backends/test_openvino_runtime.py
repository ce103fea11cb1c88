"""Promises of the OpenVINO backend, on real networks."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from agent.errors import ModelError
from agent.inference.backends.opening import load_network
from agent.inference.bundle.content import NetworkContent
from agent.inference.bundle.manifest import InputSpec
from tests.support.backend_fixtures import EMOTION, FACE, pictures
from tests.support.network_fixtures import make_entry, write_onnx

if TYPE_CHECKING:
    from pathlib import Path

    from agent.inference.bundle.manifest import Bundle

pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install '.[openvino]'")
from agent.inference.backends.openvino_runtime import OpenVinoNetwork, find_devices

pytestmark = pytest.mark.slow

SPEC = InputSpec(height_px=32, width_px=32, colour="BGR")


@pytest.mark.parametrize("name", [FACE, EMOTION])
def test_answers_are_those_of_onnx_runtime_on_the_same_file(bundle: Bundle, name: str) -> None:
    entry = bundle.manifest.networks[name]
    ours = load_network(bundle, name, entry, backend="openvino", precision="fp32", threads=1).network
    theirs = load_network(bundle, name, entry, backend="onnxruntime", precision="fp32", threads=1).network
    assert ours.output_shapes == theirs.output_shapes
    for picture in pictures(3, entry.input):
        ours.input_buffer[0] = theirs.input_buffer[0] = picture
        for mine, yours in zip(ours.run(), theirs.run(), strict=True):
            np.testing.assert_allclose(mine, yours, rtol=1e-3, atol=1e-3 * float(np.abs(yours).max()))


def test_the_input_buffer_and_the_outputs_are_the_same_arrays_every_time(bundle: Bundle) -> None:
    entry = bundle.manifest.networks[EMOTION]
    network = load_network(bundle, EMOTION, entry, backend="openvino", precision="fp32", threads=1).network
    buffer, first = network.input_buffer, network.run()
    before = first[0].copy()
    network.input_buffer[0] = pictures(1, entry.input)[0]
    second = network.run()
    assert network.input_buffer is buffer
    assert all(a is b for a, b in zip(first, second, strict=True))
    assert not np.array_equal(before, second[0])


def test_nothing_is_lost_when_the_network_is_closed(bundle: Bundle) -> None:
    """Outputs read before closing stay readable, as their memory is NumPy's own."""
    entry = bundle.manifest.networks[EMOTION]
    network = load_network(bundle, EMOTION, entry, backend="openvino", precision="fp32", threads=1).network
    (answer,) = network.run()
    kept = answer.copy()
    network.close()
    gc.collect()
    assert np.array_equal(answer, kept)


def test_another_input_than_the_manifests_is_refused(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "n.onnx", (1, 64, 64, 3), [("out", (1, 5))])
    with pytest.raises(ModelError, match=r"takes 1x64x64x3 uint8 but the manifest says 1x32x32x3 uint8"):
        OpenVinoNetwork(NetworkContent.read(path, "openvino"), make_entry(SPEC), 1)


def test_an_open_output_shape_is_refused(tmp_path: Path) -> None:
    import onnx  # noqa: PLC0415 - part of the development tools
    from onnx import TensorProto, helper  # noqa: PLC0415

    nodes = [
        helper.make_node("Cast", ["image"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("NonZero", ["real"], ["places"]),
        helper.make_node("Cast", ["places"], ["out"], to=TensorProto.FLOAT),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, SPEC.shape)
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [4, "n"])
    model = helper.make_model(
        helper.make_graph(nodes, "open", [image], [out]),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnx.save(model, tmp_path / "n.onnx")
    with pytest.raises(ModelError, match="fixed float32 shape"):
        OpenVinoNetwork(NetworkContent.read(tmp_path / "n.onnx", "openvino"), make_entry(SPEC), 1)


def test_a_broken_file_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "n.onnx"
    path.write_bytes(b"no network at all")
    with pytest.raises(ModelError, match="install the bundle again") as caught:
        OpenVinoNetwork(NetworkContent.read(path, "openvino"), make_entry(SPEC), 1)
    assert "\n" not in str(caught.value)


def test_the_cpu_is_the_first_device() -> None:
    assert find_devices()[0] == "cpu"


def test_a_device_that_is_not_there_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "n.onnx", SPEC.shape, [("out", (1, 5))])
    with pytest.raises(ModelError, match=r"for gpu\.7"):
        OpenVinoNetwork(NetworkContent.read(path, "openvino"), make_entry(SPEC), 1, "gpu.7")


@pytest.mark.slow
def test_importing_the_backend_loads_no_telemetry() -> None:
    """OpenVINO reports its import to its maker by a package that must not get loaded, nor write a file."""
    program = (
        "import sys\n"
        "import agent.inference.backends.openvino_runtime\n"
        "print(sorted(n for n, m in sys.modules.items() if n.startswith('openvino_telemetry') and m))\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed: apt-get install strace")
def test_loading_and_running_opens_no_socket_and_writes_no_file(bundle: Bundle, tmp_path: Path) -> None:
    log = tmp_path / "trace"
    program = (
        "from pathlib import Path\n"
        "from agent.inference.backends.opening import load_network\n"
        "from agent.inference.bundle.manifest import Bundle\n"
        f"bundle = Bundle.load(Path({str(bundle.folder)!r}))\n"
        f"entry = bundle.manifest.networks[{EMOTION!r}]\n"
        "asked = {'backend': 'openvino', 'precision': 'fp32', 'threads': 1}\n"
        f"load_network(bundle, {EMOTION!r}, entry, **asked).network.run()\n"
    )
    environment = {**os.environ, "HOME": str(tmp_path / "home"), "PYTHONDONTWRITEBYTECODE": "1"}
    watched = "trace=openat,open,creat,mkdir,connect,sendto"
    traced = ["strace", "-f", "-qq", "-o", str(log), "-e", watched, sys.executable, "-c", program]
    subprocess.run(traced, check=True, env=environment)
    lines = log.read_text().splitlines()
    written = [line for line in lines if "O_WRONLY" in line or "O_RDWR" in line or "O_CREAT" in line]
    assert not [line for line in written if "/dev/null" not in line and "/dev/shm" not in line]
    assert not [line for line in lines if "connect(" in line or "sendto(" in line or "mkdir(" in line]
