"""The detector's network and its exported form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from models.export.face import DeployedYolo, export_face, reparameterised
from models.networks.yolo import BOX_CHANNELS, STRIDES, VARIANTS, YoloFace, YoloSpec, grown_yolo, make_yolo

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

SMALL = YoloSpec(8, (8, 16, 16, 16), (1, 1, 1, 1), 16, 1)


@pytest.fixture
def lived_in() -> YoloFace:
    """A small network whose normalisations and biases hold anything but their initial values."""
    torch.manual_seed(3)
    network = YoloFace(SMALL)
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            layer.running_mean.normal_(0, 0.3)
            layer.running_var.uniform_(0.3, 2.0)
            torch.nn.init.uniform_(layer.weight, 0.5, 1.5)
            torch.nn.init.normal_(layer.bias, 0, 0.2)
        elif isinstance(layer, torch.nn.Conv2d) and layer.bias is not None:
            torch.nn.init.normal_(layer.bias, 0, 0.2)
    return network.eval()


def difference(first: tuple[Tensor, ...], second: tuple[Tensor, ...]) -> float:
    return max(float((a - b).abs().max()) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_maps_follow_the_contract_of_strides_and_channels(variant: str) -> None:
    with torch.no_grad():
        maps = make_yolo(variant).eval()(torch.rand(2, 3, 96, 64))
    assert [tuple(x.shape) for x in maps] == [(2, 1 + BOX_CHANNELS, 96 // s, 64 // s) for s in STRIDES]


@pytest.mark.parametrize(("variant", "low", "high"), [("pico", 0.4e6, 0.6e6), ("nano", 2.0e6, 4.0e6)])
def test_deployed_size_is_that_of_its_class(variant: str, low: float, high: float) -> None:
    deployed = reparameterised(make_yolo(variant))
    assert low <= sum(p.numel() for p in deployed.parameters()) <= high


def test_a_wider_network_begins_with_the_maps_of_the_narrower() -> None:
    torch.manual_seed(0)
    pico = make_yolo("pico").eval()
    picture = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert difference(grown_yolo("nano", pico).eval()(picture), pico(picture)) < 1e-4


def test_a_wide_network_does_not_fit_into_a_narrow_one() -> None:
    with pytest.raises(ValueError, match="choose a wider variant"):
        grown_yolo("pico", make_yolo("nano"))


def test_plain_convolutions_compute_what_the_branches_compute(lived_in: YoloFace) -> None:
    picture = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert difference(lived_in(picture), reparameterised(lived_in)(picture)) < 1e-4


def test_reparameterising_leaves_the_original_alone(lived_in: YoloFace) -> None:
    before = {name: value.clone() for name, value in lived_in.state_dict().items()}
    DeployedYolo(lived_in)
    after = lived_in.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


@pytest.mark.parametrize("input_px", [320, 224])
def test_onnx_runtime_agrees_with_the_training_form_on_raw_bytes(
    lived_in: YoloFace, input_px: int, tmp_path: Path
) -> None:
    path = export_face(lived_in, tmp_path / "face.onnx", input_px)
    image = np.random.default_rng(0).integers(0, 256, (1, input_px, input_px, 3), dtype=np.uint8)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    outputs = session.run(None, {"image": image})
    with torch.no_grad():
        expected = lived_in(torch.from_numpy(image).permute(0, 3, 1, 2).float() / 255)
    assert [output.name for output in session.get_outputs()] == ["out_8", "out_16", "out_32"]
    assert [output.shape for output in outputs] == [
        (1, 1 + BOX_CHANNELS, input_px // s, input_px // s) for s in STRIDES
    ]
    assert difference(tuple(torch.from_numpy(output) for output in outputs), expected) < 1e-3


def test_exported_graph_is_plain_and_takes_bytes(lived_in: YoloFace, tmp_path: Path) -> None:
    graph = onnx.load(str(export_face(lived_in, tmp_path / "face.onnx", 64))).graph
    kinds = {node.op_type for node in graph.node}
    assert kinds <= {"Cast", "Transpose", "Conv", "Relu", "MaxPool", "Concat", "Resize", "Constant"}
    assert graph.input[0].name == "image"
    assert graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [d.dim_value for d in graph.input[0].type.tensor_type.shape.dim] == [1, 64, 64, 3]


def test_black_border_is_treated_alike_before_and_after_export(lived_in: YoloFace) -> None:
    """Folding the division into the kernel must not change what zero padding means."""
    black = torch.zeros(1, 64, 64, 3, dtype=torch.uint8)
    with torch.no_grad():
        maps = DeployedYolo(lived_in)(black)
        assert difference(maps, lived_in(torch.zeros(1, 3, 64, 64))) < 1e-4


def test_unknown_variant_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'huge'.*pico"):
        make_yolo("huge")


@pytest.mark.parametrize("input_px", [0, -32, 100])
def test_sizes_off_the_grid_are_refused(lived_in: YoloFace, input_px: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="multiple of 32"):
        export_face(lived_in, tmp_path / "face.onnx", input_px)
