"""The expression classifier, with its confidence calibrated on the FP32 network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from agent.inference.bundle import InputSpec
from models.data import read_ferplus
from models.export import export_emotion
from models.networks import EMOTION_LABELS, load_emotion, network_name
from models.scores import emotion_logits, score_emotion
from models.training.emotion import PORTRAIT_CROP_SCALE
from quantize.artefacts import Artefact
from quantize.build import Plan, open_network
from quantize.calibration import emotion_calibration
from quantize.confidence import fit_temperature, fit_unknown_below
from quantize.gate import EMOTION_POINTS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from agent.inference import LoadedNetwork

_TRAINING_DATA: Final = ("FER2013 images with FER+ votes", "muxspace/facial_expressions portraits")


def emotion_plan(weights: Path, data_dir: Path, folder: Path) -> tuple[Plan, Path]:
    """Export the network and say how to quantise it.

    Temperature and unknown threshold are fitted on the FER+ valid split, which the gate uses too;
    the test split is scored for the manifest and decides nothing.

    Raises:
        ModelError: Weights or data are missing or broken.
    """
    network = load_emotion(weights)
    name = network_name(network)
    fp32_path = folder / f"{name}.fp32.onnx"
    export_emotion(network, fp32_path)
    side_px = network.spec.input_px
    spec = InputSpec(height_px=side_px, width_px=side_px, colour="GREY")
    valid, test = read_ferplus(data_dir, "valid"), read_ferplus(data_dir, "test")

    def held_out(loaded: LoadedNetwork) -> Mapping[str, float]:
        return {"accuracy8": score_emotion(loaded, valid).accuracy8}

    def reported(loaded: LoadedNetwork) -> Mapping[str, float]:
        scores = score_emotion(loaded, test)
        return {
            "accuracy8": scores.accuracy8,
            "weighted_f1_9": scores.weighted_f1_9,
            "macro_f1_9": scores.macro_f1_9,
        }

    def plan(entry: dict[str, Any]) -> Plan:
        return Plan(
            name=name,
            entry=entry,
            images=images,
            held_out=held_out,
            reported=reported,
            allowed_points=EMOTION_POINTS,
        )

    images = emotion_calibration(data_dir, spec, PORTRAIT_CROP_SCALE)
    entry = _entry(name, spec)
    exported = Artefact("onnxruntime", "fp32", fp32_path)
    logits = emotion_logits(open_network(plan(entry), exported), valid.images)
    temperature = fit_temperature(logits, valid.votes)
    unknown_below = fit_unknown_below(logits, valid.votes, temperature)
    return plan({**entry, "temperature": temperature, "unknown_below": unknown_below}), fp32_path


def _entry(name: str, spec: InputSpec) -> dict[str, Any]:
    return {
        "family": name,
        "task": "emotion",
        "input": spec,
        "labels": EMOTION_LABELS,
        "head": "logits",
        "licence": "Apache-2.0",
        "training_data": _TRAINING_DATA,
        "crop_scale": PORTRAIT_CROP_SCALE,
    }
