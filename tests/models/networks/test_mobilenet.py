"""The expression network, its weights on disk, and the graph that devices run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the networks need the extra [train]")
onnx = pytest.importorskip("onnx", reason="the export needs the extra [train]")

import onnxruntime  # noqa: E402 - after the checks for the extra
from torch import nn  # noqa: E402 - same

from agent.domain import EMOTIONS, UNKNOWN  # noqa: E402 - same
from models.export.emotion import OUTPUT_NAME, DeployedEmotion, export_emotion  # noqa: E402 - same
from models.export.graph import INPUT_NAME  # noqa: E402 - same
from models.networks.mobilenet import (  # noqa: E402 - same
    EMOTION_LABELS,
    VARIANTS,
    InvertedResidual,
    MobileNetEmotion,
    MobileNetSpec,
    grown_mobilenet,
    make_mobilenet,
)
from models.networks.weights import load_emotion, save_weights  # noqa: E402 - same
from tests.support.small_networks import SMALL_MOBILENET  # noqa: E402 - same

if TYPE_CHECKING:
    from pathlib import Path

EXPORT_TOLERANCE = 1e-4
"""Largest difference of a logit between PyTorch and ONNX Runtime; logits span about ten."""


def _lived_in(spec: MobileNetSpec = SMALL_MOBILENET) -> MobileNetEmotion:
    """A network whose normalisations have statistics of their own, as after training."""
    torch.manual_seed(0)
    network = MobileNetEmotion(spec)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0.0, 0.2)
            module.running_var.uniform_(0.5, 2.0)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0.0, 0.2)
    nn.init.normal_(network.classifier.weight, std=0.5)
    return network.eval()


def _faces(count: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(1).integers(0, 256, (count, 48, 48, 1)).astype(np.uint8)


def _torch_logits(network: nn.Module, faces: np.ndarray[Any, np.dtype[np.uint8]]) -> np.ndarray[Any, Any]:
    with torch.no_grad():
        grey = torch.from_numpy(faces).float().permute(0, 3, 1, 2)
        return np.asarray(network(grey).numpy())


def test_the_logits_are_the_agents_labels_in_order() -> None:
    assert (*EMOTIONS, UNKNOWN) == EMOTION_LABELS
    assert _torch_logits(_lived_in(), _faces(2)).shape == (2, len(EMOTION_LABELS))


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_stays_in_its_size_class(variant: str) -> None:
    network = make_mobilenet(variant)
    assert 500_000 < sum(value.numel() for value in network.parameters()) < 2_000_000
    assert _torch_logits(network.eval(), _faces(2)).shape == (2, len(EMOTION_LABELS))


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_block_of_a_fresh_network_can_learn(variant: str) -> None:
    """A residual branch starts as nothing, but with a gradient to leave it."""
    torch.manual_seed(0)
    network = make_mobilenet(variant)
    network.eval()(torch.from_numpy(_faces(4)).float().permute(0, 3, 1, 2)).square().sum().backward()
    blocks = [module for module in network.features if isinstance(module, InvertedResidual) and module.added]
    lasts = [
        [part for part in block.branch.modules() if isinstance(part, nn.BatchNorm2d)][-1] for block in blocks
    ]
    assert lasts
    assert all(last.weight.grad is not None and last.weight.grad.abs().sum() > 0 for last in lasts)


def test_a_larger_network_begins_with_the_logits_of_the_smaller() -> None:
    small, faces = _lived_in(VARIANTS["edge"]), _faces(4)
    grown = grown_mobilenet("full", small)
    assert grown.spec == VARIANTS["full"]
    assert np.allclose(_torch_logits(grown.eval(), faces), _torch_logits(small, faces), atol=1e-3)


def test_a_network_does_not_fit_into_a_smaller_one() -> None:
    with pytest.raises(ValueError, match="choose a wider variant"):
        grown_mobilenet("edge", make_mobilenet("full"))


def test_an_unknown_variant_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'huge': choose one of edge, full"):
        make_mobilenet("huge")


def test_a_fresh_network_is_undecided() -> None:
    torch.manual_seed(0)
    logits = _torch_logits(MobileNetEmotion(SMALL_MOBILENET).eval(), _faces(4))
    assert np.isfinite(logits).all()
    assert np.abs(logits).max() < 1.0


def test_weights_survive_the_disk_within_half_precision(tmp_path: Path) -> None:
    network = _lived_in(VARIANTS["edge"])
    save_weights(network, tmp_path / "weights.pt")
    loaded = load_emotion(tmp_path / "weights.pt")
    assert not loaded.training
    assert loaded.spec == network.spec
    assert np.allclose(_torch_logits(loaded, _faces(4)), _torch_logits(network, _faces(4)), atol=0.05)
    assert list(tmp_path.iterdir()) == [tmp_path / "weights.pt"]


def test_folding_changes_no_logit_and_leaves_the_network_alone() -> None:
    network, faces = _lived_in(), _faces(4)
    before = _torch_logits(network, faces)
    with torch.no_grad():
        folded = DeployedEmotion(network)(torch.from_numpy(faces)).numpy()
    assert np.allclose(folded, before, atol=EXPORT_TOLERANCE)
    assert np.array_equal(_torch_logits(network, faces), before)


def test_the_exported_graph_agrees_with_pytorch(tmp_path: Path) -> None:
    network, faces = _lived_in(), _faces(6)
    session = onnxruntime.InferenceSession(export_emotion(network, tmp_path / "emotion.onnx"))
    got = np.concatenate([session.run(None, {INPUT_NAME: face[None]})[0] for face in faces])
    assert np.abs(got - _torch_logits(network, faces)).max() < EXPORT_TOLERANCE


def test_the_exported_graph_takes_bytes_and_has_no_separate_normalisation(tmp_path: Path) -> None:
    model = onnx.load(export_emotion(_lived_in(), tmp_path / "emotion.onnx"))
    onnx.checker.check_model(model, full_check=True)
    (source,), (result,) = model.graph.input, model.graph.output
    assert (source.name, result.name) == (INPUT_NAME, OUTPUT_NAME)
    assert source.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [size.dim_value for size in source.type.tensor_type.shape.dim] == [1, 48, 48, 1]
    assert [size.dim_value for size in result.type.tensor_type.shape.dim] == [1, 9]
    operations = {node.op_type for node in model.graph.node}
    assert not operations & {"BatchNormalization", "Dropout", "Transpose", "Sigmoid", "Mul", "Div"}
