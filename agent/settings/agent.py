"""The whole configuration: the tables, and what the environment may override."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from agent.settings.mqtt import HomeAssistantSettings, MqttSettings
from agent.settings.privacy import DeploymentSettings, PrivacySettings
from agent.settings.sources import SourceSettings
from agent.settings.stages import (
    ClassifierSettings,
    DetectorSettings,
    LatencySettings,
    ModelsSettings,
    TrackerSettings,
)
from agent.settings.table import Table, TopicName


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
