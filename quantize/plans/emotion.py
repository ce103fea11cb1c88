"""The expression classifier, with its confidence calibrated on the FP32 network."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from agent.inference.bundle import InputSpec, NetworkEntry
from models.data import FerPlus, read_ferplus
from models.export import export_emotion
from models.networks import EMOTION_LABELS, load_emotion, network_name
from models.scores import emotion_logits, score_emotion
from models.training.emotion import PORTRAIT_CROP_SCALE
from quantize.artefacts import Artefact, Plan
from quantize.build import described, open_artefact
from quantize.calibration import emotion_calibration
from quantize.confidence import fit_temperature, fit_unknown_below
from quantize.gate import EMOTION_POINTS

_TRAINING_DATA: Final = ("FER2013 images with FER+ votes", "muxspace/facial_expressions portraits")


def emotion_plan(weights: Path, data_dir: Path, folder: Path) -> Plan:
    """Export the network and say how to quantise it.

    Temperature and unknown threshold are fitted on the FER+ valid split, which the gate uses too;
    the test split is scored for the manifest and decides nothing.

    Raises:
        ModelError: Weights or data are missing or broken.
    """
    network = load_emotion(weights)
    name = network_name(network)
    exported = Artefact("onnxruntime", "fp32", folder / f"{name}.fp32.onnx")
    export_emotion(network, exported.path)
    valid, test = read_ferplus(data_dir, "valid"), read_ferplus(data_dir, "test")
    entry = _calibrated(_entry(name, network.spec.input_px, exported), exported, valid)
    return Plan(
        name=name,
        entry=entry,
        fp32_path=exported.path,
        images=emotion_calibration(data_dir, entry.input, PORTRAIT_CROP_SCALE),
        held_out=lambda loaded: {"accuracy8": score_emotion(loaded, valid).accuracy8},
        reported=lambda loaded: score_emotion(loaded, test).stated,
        allowed_points=EMOTION_POINTS,
    )


def _entry(name: str, side_px: int, exported: Artefact) -> NetworkEntry:
    return NetworkEntry(
        family=name,
        task="emotion",
        input=InputSpec(height_px=side_px, width_px=side_px, colour="GREY"),
        labels=EMOTION_LABELS,
        head="logits",
        licence="Apache-2.0",
        training_data=_TRAINING_DATA,
        crop_scale=PORTRAIT_CROP_SCALE,
        files=(described(name, exported, exported.read()),),
    )


def _calibrated(entry: NetworkEntry, exported: Artefact, valid: FerPlus) -> NetworkEntry:
    """The entry with a temperature and a threshold fitted on what the network says of held-out faces."""
    logits = emotion_logits(open_artefact(entry.family, entry, exported, exported.read()), valid.images)
    temperature = fit_temperature(logits, valid.votes)
    unknown_below = fit_unknown_below(logits, valid.votes, temperature)
    return entry.model_copy(update={"temperature": temperature, "unknown_below": unknown_below})
