"""The configuration as frozen values, one class per TOML table; ``reading`` gets them from a file.

Stages receive their own table and nothing else. Importing this loads no NumPy.
"""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from agent.settings.address import AddressKind, parse_address
    from agent.settings.agent import AgentSettings, HealthSettings, StateSettings
    from agent.settings.files import file_problems, read_small_file
    from agent.settings.mqtt import HomeAssistantSettings, MqttSettings, is_loopback
    from agent.settings.privacy import SHORTEST_WINDOW_S, DeploymentSettings, PrivacySettings
    from agent.settings.reading import OPTIONS, describe_problems, load_settings, parse_settings
    from agent.settings.sources import (
        MeasuredCount,
        OpenCvSource,
        Picamera2Source,
        ReplaySource,
        SourceSettings,
    )
    from agent.settings.stages import (
        NO_CLASSIFIER,
        ClassifierSettings,
        DetectorSettings,
        LatencySettings,
        ModelsSettings,
        TrackerSettings,
    )
    from agent.settings.table import TOPIC_LEVEL, Polygon
else:
    __getattr__, __all__ = opened(__name__)
