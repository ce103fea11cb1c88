"""Home Assistant device discovery: one retained message describes the device and all its entities.

A suppressed window makes the counting entities unavailable, not 0; so does silence for three windows.
Historical windows leave every entity as it is: they tell of the past. Both follow from how Home
Assistant reads templates: an availability that renders to neither payload, and a numeric state that
renders to nothing, are ignored (MQTT integration, "MQTT availability" and "MQTT sensor").
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Final

from agent.contract import BirthMessage, Identity, topics
from agent.domain import LABELS, Json

if TYPE_CHECKING:
    from agent.contract import WindowKind

    Entity = dict[str, Json]

EXPIRE_AFTER_WINDOWS: Final = 3

_DOMINANT: Final = (
    "(value_json.counts or {}).items() | sort(attribute='1', reverse=true) | map(attribute=0) | first"
    " if value_json.people else none"
)
"""Label with the most votes; ties go to the earlier label, because the sort is stable."""


def discovery_payload(identity: Identity, birth: BirthMessage) -> bytes:
    """The device's discovery message, with entities for every source of ``birth``."""
    entities: dict[str, Entity] = {}
    for source in birth.sources:
        entities |= _source_entities(identity, birth, source)
    entities |= _device_entities(identity)
    for key, entity in entities.items():
        entity["unique_id"] = f"{identity.unique_id}_{key}"
    for source in birth.sources if birth.expressions else ():
        entities = _former_entities(source) | entities
    message = {
        "device": {
            "identifiers": [identity.unique_id],
            "name": f"{'Expressions' if birth.expressions else 'People'} {identity.site} {identity.device}",
            "manufacturer": "emotion-agent",
            "model": f"{birth.models.detector.id} ({birth.backend})",
            "sw_version": birth.agent,
        },
        "origin": {"name": "emotion-agent", "sw_version": birth.agent},
        "qos": 1,
        "components": entities,
    }
    return json.dumps(message, separators=(",", ":")).encode()


def _source_entities(identity: Identity, birth: BirthMessage, source: str) -> dict[str, Entity]:
    """What one camera counts, and coverage."""
    kind: WindowKind
    if source in birth.lines:
        kind, counted = "crossings", _crossings(source)
    elif birth.expressions:
        kind, counted = "counts", _people(source) | _expressions(source)
    else:
        kind, counted = "people", _people(source)
    told = _counting(identity, kind, source, birth.policy.window_s)
    entities = {key: {**told, **entity} for key, entity in counted.items()}
    entities["coverage"] = {
        **told,
        "availability": [_alive(identity)],
        "name": f"{source} coverage",
        "state_class": "measurement",
        "unit_of_measurement": "%",
        "suggested_display_precision": 0,
        "entity_category": "diagnostic",
        "value_template": _unless_historical("(value_json.coverage * 100) | round(1)"),
    }
    return {topics.joined(source, key): entity for key, entity in entities.items()}


def _people(source: str) -> dict[str, Entity]:
    return {
        "people": {
            "name": f"{source} people",
            "state_class": "measurement",
            "icon": "mdi:account-group",
            "value_template": _unless_historical("value_json.people"),
        }
    }


def _expressions(source: str) -> dict[str, Entity]:
    """The dominant one, and each."""
    dominant: Entity = {
        "name": f"{source} dominant expression",
        "device_class": "enum",
        "options": list(LABELS),
        "icon": "mdi:emoticon-outline",
        "value_template": _unless_historical(_DOMINANT),
    }
    each: dict[str, Entity] = {
        label: {
            "name": f"{source} {label}",
            "state_class": "measurement",
            "value_template": _unless_historical(f"(value_json.counts or {{}}).get('{label}')"),
        }
        for label in LABELS
    }
    return {"dominant": dominant, **each}


def _crossings(source: str) -> dict[str, Entity]:
    """Over the source's line, each way."""
    return {
        way: {
            "name": f"{source} {way}",
            "state_class": "measurement",
            "icon": icon,
            "value_template": _unless_historical(f"value_json['{way}']"),
        }
        for way, icon in (("in", "mdi:location-enter"), ("out", "mdi:location-exit"))
    }


def _former_entities(source: str) -> dict[str, Entity]:
    """Up to version 0.1 sources shared keys; an entity that is only its platform is taken away."""
    keys = ("people", "dominant", "coverage", *LABELS)
    return {f"{source.replace('.', '_')}_{key}": {"platform": "sensor"} for key in keys}


def _counting(identity: Identity, kind: WindowKind, source: str, window_s: float) -> Entity:
    topic = topics.window_topic(identity, kind, source)
    shown = _unless_historical("'offline' if value_json.suppressed else 'online'")
    return {
        "platform": "sensor",
        "state_topic": topic,
        "expire_after": math.ceil(EXPIRE_AFTER_WINDOWS * window_s),
        "availability_mode": "all",
        "availability": [_alive(identity), {"topic": topic, "value_template": shown}],
    }


def _device_entities(identity: Identity) -> dict[str, Entity]:
    """How the box itself is doing."""
    health: Entity = {
        "platform": "sensor",
        "state_topic": topics.health_topic(identity),
        "availability": [_alive(identity)],
        "entity_category": "diagnostic",
    }
    return {
        "connected": {
            "platform": "binary_sensor",
            "name": "connected",
            "device_class": "connectivity",
            "entity_category": "diagnostic",
            "state_topic": topics.availability_topic(identity),
            "payload_on": topics.ONLINE,
            "payload_off": topics.OFFLINE,
        },
        "state": {**health, "name": "state", "value_template": "{{ value_json.state }}"},
        "latency": {
            **health,
            "name": "latency p99",
            "unit_of_measurement": "ms",
            "state_class": "measurement",
            "value_template": "{{ value_json.latency_ms.p99 }}",
        },
        "cpu_temperature": {
            **health,
            "name": "CPU temperature",
            "device_class": "temperature",
            "unit_of_measurement": "°C",
            "state_class": "measurement",
            "value_template": "{{ value_json.cpu_temp_c }}",
        },
        "queue": {
            **health,
            "name": "unsent windows",
            "state_class": "measurement",
            "value_template": "{{ value_json.queue.depth }}",
        },
    }


def _alive(identity: Identity) -> Entity:
    return {"topic": topics.availability_topic(identity)}


def _unless_historical(expression: str) -> str:
    return "{% if not value_json.historical %}{{ " + expression + " }}{% endif %}"
