"""Networks, budget, and the stages that look at frames."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, model_validator

from agent.settings.table import Share, Table

NO_CLASSIFIER: Final = "none"
"""Instead of a network: people are counted, and nothing else is inferred of them."""


class ModelsSettings(Table):
    """Which networks run, and how."""

    bundle: Path | None = None
    """Folder with ``manifest.toml``; None is the bundle installed with the agent."""
    trusted_keys: tuple[Path, ...] = ()
    """Public keys (PEM) whose bundles are run, besides those that came with the agent."""
    allow_unsigned: bool = False
    """Must be true to run a bundle that nobody has signed."""
    detector: str = "yolo_face_pico"
    """Family of detector networks in the bundle."""
    classifier: str = "mobilenet_emotion"
    """Expression network in the bundle; unused with a single-stage detector. "none" counts people only."""
    backend: Literal["auto", "onnxruntime", "openvino", "litert"] = "auto"
    precision: Literal["auto", "fp32", "int8_u8s8", "int8_s8s8", "int8"] = "auto"
    threads: int = Field(default=0, ge=0, le=64)
    """Inference threads; 0 is one per physical core, less one for capture and MQTT, at least one."""


class LatencySettings(Table):
    """From capture to the reading's arrival in the aggregator."""

    budget_ms: float = Field(default=100.0, ge=5.0, le=10_000.0)


class DetectorSettings(Table):
    """Decoding of the detector's raw outputs."""

    score_threshold: float = Field(default=0.4, gt=0.0, lt=1.0)
    nms_iou: float = Field(default=0.5, gt=0.0, lt=1.0)
    """A face that overlaps a better one by more than this is dropped."""
    max_faces: int = Field(default=100, ge=1, le=1000)
    min_face_px: float = Field(default=12.0, ge=0.0)
    """Lower faces, in frame pixels, are ignored."""


class TrackerSettings(Table):
    """Who is the same person from frame to frame, by position alone."""

    max_coast_ms: float = Field(default=500.0, ge=0.0, le=10_000.0)
    """A track that no detection has matched for this long is lost; who comes back soon is found again."""
    confirm_ms: float = Field(default=300.0, ge=0.0, le=10_000.0)
    """A face must be followed for this long to count, at whatever frame rate: no ghosts."""
    confirm_hits: int = Field(default=3, ge=1, le=30)
    confirm_score: Share = 0.7
    """And so many detections must have such a score. Weaker ones only continue it."""

    @model_validator(mode="before")
    @classmethod
    def _drop_retired(cls, given: object) -> object:
        """Release 0.1 had ``match_iou``; a device that nobody visits must start after an upgrade."""
        if isinstance(given, Mapping):
            return {key: value for key, value in given.items() if key != "match_iou"}
        return given


class ClassifierSettings(Table):
    """How single classifications become one smoothed estimate per track."""

    revote_ms: float = Field(default=500.0, ge=0.0, le=60_000.0)
    """A track is classified again when its last classification is older."""
    half_life_ms: float = Field(default=2_000.0, gt=0.0, le=600_000.0)
    """Age at which a classification weighs half in the smoothed estimate."""
    unknown_below: Share | None = None
    """Confidence under which a reading is ``unknown``; None is the network's calibrated value."""
