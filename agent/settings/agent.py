"""The configuration as frozen values, one class per TOML table; ``reading`` reads them from a file.

Stages receive their own table and nothing else. Importing this module loads no NumPy.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path  # noqa: TC003 - pydantic needs the name at run time
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

TopicName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
"""One MQTT topic level that is also safe in file names: letters, digits, '_', '.', '-'."""

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Polygon = Annotated[tuple[tuple[Share, Share], ...], Field(min_length=3)]


class Table(BaseModel):
    """Base of every table: unknown keys are refused, values can't change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


# fmt: off
Context = Literal[
    "retail", "museum", "event", "transport", "hospitality", "public_space",
    "healthcare", "home", "research", "demo", "workplace", "education",
]
# fmt: on


class DeploymentSettings(Table):
    """Where the box stands and what it is for; ids become topic levels, the last two stand on the notice."""

    site: TopicName
    device: TopicName
    context: Context
    """Declared use. ``workplace`` and ``education`` are refused by ``config`` (EU AI Act Art. 5(1)(f))."""
    safety_purpose: str = ""
    """Medical or safety purpose, written out; the only exception Art. 5(1)(f) leaves."""
    operator: str = ""
    contact: str = ""


class SourceBase(Table):
    """What every source has, whatever delivers its frames."""

    stall_timeout_s: float = Field(default=20.0, ge=1.0, le=600.0)
    """Seconds without a frame after which the source is closed and reopened."""
    exclusion_zones: tuple[Polygon, ...] = ()
    """Polygons in shares of width and height, blacked out before detection."""
    idle_interval_ms: float = Field(default=500.0, ge=0.0, le=10_000.0)
    """Longest time between two looks at a scene where nothing moves; 0 looks at every frame."""


class ReplaySource(SourceBase):
    """A video file or a folder of images."""

    type: Literal["replay"]
    path: Path
    realtime: bool = True
    """Keep the file's own pace and drop frames as a camera would; False delivers every frame."""
    loop: bool = False
    """Start again at the end instead of ending the run."""
    fps: float = Field(default=10.0, gt=0.0, le=240.0)
    """Frames per second of an image folder; a video brings its own."""


class OpenCvSource(SourceBase):
    """Anything OpenCV can open: V4L2 index or path, RTSP URL, GStreamer pipeline."""

    type: Literal["opencv"]
    device: int | str
    """0, "/dev/video0", "/dev/v4l/by-id/…", "rtsp://…" or "… ! appsink"."""
    width_px: int = Field(default=640, ge=64, le=7680)
    height_px: int = Field(default=480, ge=64, le=4320)
    fps: float = Field(default=15.0, gt=0.0, le=240.0)
    fourcc: Literal["auto"] | Annotated[str, Field(pattern=r"^[A-Z0-9 ]{4}$")] = "auto"
    """Pixel format asked of a V4L2 camera, such as "MJPG"; "auto" tries those that it offers at the first
    opening and takes the one that costs least. ``doctor`` tells the figures."""
    credentials_file: Path | None = None
    """One line ``user:password`` for an RTSP URL; keeps both out of this file and of every log."""
    rtsp_transport: Literal["tcp", "udp"] = "tcp"


class Picamera2Source(SourceBase):
    """A Raspberry Pi CSI camera through the operating system's picamera2."""

    type: Literal["picamera2"]
    camera: int = Field(default=0, ge=0, le=7)
    width_px: int = Field(default=640, ge=64, le=4608)
    height_px: int = Field(default=480, ge=64, le=2592)
    fps: float = Field(default=15.0, gt=0.0, le=120.0)


SourceSettings = Annotated[ReplaySource | OpenCvSource | Picamera2Source, Field(discriminator="type")]


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
    """Expression network in the bundle; unused with a single-stage detector."""
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

    match_iou: float = Field(default=0.25, gt=0.0, lt=1.0)
    max_coast_ms: float = Field(default=1_000.0, ge=0.0, le=10_000.0)
    """A track that no detection has matched for this long is forgotten."""
    confirm_hits: int = Field(default=3, ge=1, le=30)
    confirm_score: Share = 0.7
    """So many detections of such a score make a track count: no ghosts. Weaker ones only continue it."""


class ClassifierSettings(Table):
    """How single classifications become one smoothed estimate per track."""

    revote_ms: float = Field(default=500.0, ge=0.0, le=60_000.0)
    """A track is classified again when its last classification is older."""
    half_life_ms: float = Field(default=2_000.0, gt=0.0, le=600_000.0)
    """Age at which a classification weighs half in the smoothed estimate."""
    unknown_below: Share | None = None
    """Confidence under which a reading is ``unknown``; None is the network's calibrated value."""


SHORTEST_WINDOW_S: Final = 60.0
"""Shorter windows say too much about single people, unless that is acknowledged."""


class PrivacySettings(Table):
    """What may leave the device at all."""

    window_s: float = Field(default=300.0, ge=1.0, le=86_400.0)
    min_count: int = Field(default=5, ge=1, le=1_000)
    """Windows with fewer people are published as suppressed."""
    acknowledge_individual_counts: bool = False
    """Must be true for ``min_count = 1`` or windows under 60 s: single people then show in the counts."""
    epsilon: float | None = Field(default=None, gt=0.0, le=10.0)
    """Differential privacy of each window's counts; None adds no noise."""

    @model_validator(mode="after")
    def _individual_counts_are_acknowledged(self) -> Self:
        if self.min_count == 1 and not self.acknowledge_individual_counts:
            msg = "min_count = 1 shows single people: set acknowledge_individual_counts = true or raise it"
            raise ValueError(msg)
        if self.window_s < SHORTEST_WINDOW_S and self.min_count > 1:
            msg = "windows under 60 s need min_count = 1 and acknowledge_individual_counts = true"
            raise ValueError(msg)
        return self


def is_loopback(host: str) -> bool:
    """Whether traffic to ``host`` stays on this machine; only literal addresses and localhost count."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class MqttSettings(Table):
    """The broker and how to prove who we are. Secrets come from files, never from this table."""

    host: str = Field(default="localhost", min_length=1)
    port: int | None = Field(default=None, ge=1, le=65_535)
    """None is 8883 with TLS, 1883 without."""
    root: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$")] = "emotion-agent"
    protocol: Literal["3.1.1", "5"] = "5"
    client_id: TopicName | None = None
    """None is ``emotion-agent-<site>-<device>``."""
    keepalive_s: int = Field(default=30, ge=5, le=3_600)
    tls: bool | None = None
    """None means TLS unless the broker is on this machine."""
    allow_plaintext: bool = False
    """Must be true to switch TLS off for a broker on another machine."""
    ca_file: Path | None = None
    """PEM; None trusts the system's authorities."""
    certificate_file: Path | None = None
    key_file: Path | None = None
    username: str | None = None
    username_file: Path | None = None
    password_file: Path | None = None
    """Else the systemd credential ``mqtt-password`` where the unit provides one."""
    queue_max_windows: int = Field(default=10_000, ge=1, le=1_000_000)
    """Unsent windows kept; beyond it the oldest is dropped and counted."""

    @property
    def uses_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return not is_loopback(self.host) if self.tls is None else self.tls

    @property
    def effective_port(self) -> int:
        """The configured port or the protocol's registered one."""
        return self.port or (8883 if self.uses_tls else 1883)

    @model_validator(mode="after")
    def _plaintext_is_deliberate(self) -> Self:
        if self.tls is False and not is_loopback(self.host) and not self.allow_plaintext:
            msg = "tls = false sends in clear to another machine: remove it or set allow_plaintext = true"
            raise ValueError(msg)
        if (self.certificate_file is None) != (self.key_file is None):
            msg = "certificate_file and key_file go together: set both or neither"
            raise ValueError(msg)
        if self.username is not None and self.username_file is not None:
            msg = "username and username_file exclude each other: keep one"
            raise ValueError(msg)
        return self


class HomeAssistantSettings(Table):
    """Home Assistant device discovery."""

    discovery: bool = False
    prefix: TopicName = "homeassistant"


class HealthSettings(Table):
    """The retained health message."""

    interval_s: float = Field(default=30.0, ge=1.0, le=3_600.0)


class StateSettings(Table):
    """Where the two files that may be written live: the unsent queue and the backend choice."""

    directory: Path | None = None
    """None is ``$STATE_DIRECTORY`` (systemd), else ``$XDG_STATE_HOME/emotion-agent``."""


class AgentSettings(BaseSettings):
    """The whole configuration: a file's tables, over which environment variables win.

    ``EMOTION_AGENT_MQTT__HOST=broker`` sets ``mqtt.host``, and so on for every key.
    """

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix="EMOTION_AGENT_", env_nested_delimiter="__"
    )

    deployment: DeploymentSettings
    sources: dict[TopicName, SourceSettings] = Field(min_length=1)
    models: ModelsSettings = ModelsSettings()
    latency: LatencySettings = LatencySettings()
    detector: DetectorSettings = DetectorSettings()
    tracker: TrackerSettings = TrackerSettings()
    classifier: ClassifierSettings = ClassifierSettings()
    privacy: PrivacySettings = PrivacySettings()
    mqtt: MqttSettings = MqttSettings()
    homeassistant: HomeAssistantSettings = HomeAssistantSettings()
    health: HealthSettings = HealthSettings()
    state: StateSettings = StateSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the library's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment over the file, and nothing else."""
        return env_settings, init_settings
