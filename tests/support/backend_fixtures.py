"""A small but real bundle: the product's own networks, untrained, at a tiny input size, for every backend.

It is signed; ``signer_of`` gives the key that an agent has to trust.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from agent.domain import EMOTIONS, UNKNOWN
from agent.inference.bundle.manifest import Bundle, InputSpec, NetworkEntry, NetworkFile
from agent.inference.bundle.reference import reference_input
from tests.support.signing_fixtures import sign

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FACE_PX = 64
FAMILY = "yolo_face_pico"
FACE = f"{FAMILY}_{FACE_PX}"
EMOTION = "mobilenet_emotion"


@pytest.fixture(name="bundle", scope="session")
def bundle_fixture(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Made once for all tests; nobody may change it."""
    return make_bundle(tmp_path_factory.mktemp("bundle"))


def make_bundle(folder: Path) -> Bundle:
    """Export, quantise for ONNX Runtime and LiteRT, and share the FP32 file with OpenVINO."""
    torch = pytest.importorskip("torch", reason="the test bundle is exported from torch: install .[train]")
    from models.bundling.writer import write_networks  # noqa: PLC0415
    from models.export.emotion import export_emotion  # noqa: PLC0415 - after the skip
    from models.export.face import export_face  # noqa: PLC0415
    from models.networks.mobilenet import MobileNetEmotion  # noqa: PLC0415
    from models.networks.yolo import make_yolo  # noqa: PLC0415
    from tests.support.small_networks import SMALL_MOBILENET  # noqa: PLC0415

    torch.manual_seed(1)
    work = folder / "work"
    face = settled(make_yolo("pico"), (4, 3, FACE_PX, FACE_PX), 1.0)
    emotion = settled(MobileNetEmotion(SMALL_MOBILENET), (8, 1, 48, 48), 255.0)
    fp32 = {
        FACE: export_face(face, work / f"{FACE}.fp32.onnx", FACE_PX),
        EMOTION: export_emotion(emotion, work / f"{EMOTION}.fp32.onnx"),
    }
    entries: dict[str, NetworkEntry] = {}
    files: dict[str, bytes] = {}
    for name, path in fp32.items():
        entries[name], own = _artefacts(name, path)
        files |= own
    write_networks(folder / "bundle", entries, files)
    sign(folder / "bundle")
    return Bundle.load(folder / "bundle")


def settled(network: Any, shape: tuple[int, ...], peak: float) -> Any:
    """Let the normalisations see some noise, so that activations have the size they were made for."""
    import torch  # noqa: PLC0415 - the caller has checked that it is there

    network.train()
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 0.5
        if float(norm.weight.detach().abs().max()) == 0.0:
            torch.nn.init.constant_(norm.weight, 0.5)
    for weighted in network.modules():
        if isinstance(weighted, torch.nn.Conv2d | torch.nn.Linear) and weighted.bias is not None:
            torch.nn.init.normal_(weighted.weight, std=0.3)
    with torch.no_grad():
        for _ in range(4):
            network(torch.rand(shape) * peak)
    return network.eval()


def _artefacts(name: str, fp32: Path) -> tuple[NetworkEntry, dict[str, bytes]]:
    from models.bundling.reference import reference_picture  # noqa: PLC0415
    from quantize.backends.litert.write import write_litert  # noqa: PLC0415
    from quantize.backends.onnxruntime.static import quantize_onnx  # noqa: PLC0415
    from quantize.calibration import CalibrationSet  # noqa: PLC0415 - needs onnx

    entry = _entry(name)
    inputs = np.concatenate((pictures(15, entry.input), reference_input(reference_picture(), entry.input)))
    images = CalibrationSet(inputs, "0" * 64)
    made: list[tuple[str, str, Path]] = [("onnxruntime", "fp32", fp32), ("openvino", "fp32", fp32)]
    for precision in ("int8_u8s8", "int8_s8s8"):
        path = fp32.with_name(f"{name}.{precision}.onnx")
        quantize_onnx(fp32, path, precision, images)
        made.append(("onnxruntime", precision, path))
    lite = fp32.with_name(f"{name}.int8.tflite")
    write_litert(made[-1][2], lite)
    made.append(("litert", "int8", lite))
    files = tuple(network_file(backend, precision, path) for backend, precision, path in made)
    return entry.model_copy(update={"files": files}), {path.name: path.read_bytes() for _, _, path in made}


def network_file(backend: str, precision: str, path: Path) -> NetworkFile:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return NetworkFile.model_validate(
        {"backend": backend, "precision": precision, "path": path.name, "sha256": digest}
    )


def _entry(name: str) -> NetworkEntry:
    common = {"licence": "Apache-2.0", "training_data": ()}
    placeholder = [{"backend": "onnxruntime", "precision": "fp32", "path": "x", "sha256": "0" * 64}]
    if name == EMOTION:
        spec = InputSpec(height_px=48, width_px=48, colour="GREY")
        labels = (*EMOTIONS, UNKNOWN)
        own: dict[str, Any] = {
            "family": EMOTION,
            "task": "emotion",
            "input": spec,
            "labels": labels,
            "head": "logits",
        }
    else:
        spec = InputSpec(height_px=FACE_PX, width_px=FACE_PX, colour="BGR")
        own = {"family": FAMILY, "task": "face", "input": spec, "labels": ("face",), "strides": (8, 16, 32)}
    return NetworkEntry.model_validate({**common, **own, "files": placeholder})


def pictures(count: int, spec: InputSpec) -> NDArray[np.uint8]:
    """N×H×W×C smooth random pictures, always the same."""
    generator = np.random.default_rng(5)
    small = generator.integers(0, 256, (count, 9, 9, spec.channels), dtype=np.uint8)
    size = (spec.width_px, spec.height_px)
    large = [cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC) for picture in small]
    return np.stack(large).reshape(count, spec.height_px, spec.width_px, spec.channels)
