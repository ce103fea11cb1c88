"""The whole configuration: the tables, and what the environment may override."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from agent.settings.environment import with_environment
from agent.settings.mqtt import HomeAssistantSettings, MqttSettings
from agent.settings.privacy import DeploymentSettings, PrivacySettings
from agent.settings.sources import SourceSettings
from agent.settings.stages import (
    NO_CLASSIFIER,
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


class AgentSettings(Table):
    """The whole configuration: a file's tables, over which environment variables win."""

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

    @property
    def expressions(self) -> bool:
        """Whether those of any source are inferred; else no network for them is needed."""
        return any(map(self.expressions_of, self.sources))

    def expressions_of(self, source: str) -> bool:
        """Whether the expressions that one source sees are inferred; who crosses a line has none."""
        return self.models.classifier != NO_CLASSIFIER and self.sources[source].counting == "presence"

    @property
    def needed_models(self) -> ModelsSettings:
        """As configured, but without a classifier where it would have nothing to do."""
        return (
            self.models if self.expressions else self.models.model_copy(update={"classifier": NO_CLASSIFIER})
        )

    @model_validator(mode="before")
    @classmethod
    def _environment_wins(cls, tables: object) -> object:
        return with_environment(tables) if isinstance(tables, dict) else tables
