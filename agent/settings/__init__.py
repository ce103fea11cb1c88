"""The configuration as frozen values, one class per TOML table; ``reading`` gets them from a file.

Stages receive their own table and nothing else. Importing this loads no NumPy.
"""

from agent.settings.agent import AgentSettings, HealthSettings, StateSettings
from agent.settings.mqtt import HomeAssistantSettings, MqttSettings, is_loopback
from agent.settings.privacy import SHORTEST_WINDOW_S, Context, DeploymentSettings, PrivacySettings
from agent.settings.sources import OpenCvSource, Picamera2Source, ReplaySource, SourceBase, SourceSettings
from agent.settings.stages import (
    ClassifierSettings,
    DetectorSettings,
    LatencySettings,
    ModelsSettings,
    TrackerSettings,
)
from agent.settings.table import Polygon, Share, Table, TopicName

__all__ = [
    "SHORTEST_WINDOW_S",
    "AgentSettings",
    "ClassifierSettings",
    "Context",
    "DeploymentSettings",
    "DetectorSettings",
    "HealthSettings",
    "HomeAssistantSettings",
    "LatencySettings",
    "ModelsSettings",
    "MqttSettings",
    "OpenCvSource",
    "Picamera2Source",
    "Polygon",
    "PrivacySettings",
    "ReplaySource",
    "Share",
    "SourceBase",
    "SourceSettings",
    "StateSettings",
    "Table",
    "TopicName",
    "TrackerSettings",
    "is_loopback",
]
