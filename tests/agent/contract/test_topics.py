"""Topics of contract v1 are built and parsed by the same rules."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.contract import topics
from agent.contract.topics import Address, Identity, parse_topic

IDENTITY = Identity(site="museum", device="door-1", root="acme/counts")
LEVEL = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True)


def test_topics_are_those_of_the_contract() -> None:
    assert topics.availability_topic(IDENTITY) == "acme/counts/v1/museum/door-1/availability"
    assert topics.birth_topic(IDENTITY) == "acme/counts/v1/museum/door-1/birth"
    assert topics.health_topic(IDENTITY) == "acme/counts/v1/museum/door-1/health"
    assert topics.counts_topic(IDENTITY, "hall") == "acme/counts/v1/museum/door-1/counts/hall"
    assert (
        topics.discovery_topic(IDENTITY, "homeassistant")
        == "homeassistant/device/acme_counts_museum_door-1/config"
    )


@settings(deadline=None)
@given(LEVEL, LEVEL, LEVEL)
def test_every_built_topic_parses_to_its_sender(site: str, device: str, source: str) -> None:
    identity = Identity(site, device)
    assert parse_topic(identity.root, topics.counts_topic(identity, source)) == Address(
        site, device, "counts", source
    )
    assert parse_topic(identity.root, topics.health_topic(identity)) == Address(site, device, "health")


@settings(deadline=None)
@given(st.text(max_size=60))
def test_foreign_topics_are_none_and_never_an_error(text: str) -> None:
    assert parse_topic("emotion-agent", text) is None or text.startswith("emotion-agent/v1/")
    parse_topic("emotion-agent", "emotion-agent/v1/" + text)


@pytest.mark.parametrize(
    "topic",
    [
        "emotion-agent/v1/a/b",
        "emotion-agent/v1/a/b/counts",
        "emotion-agent/v1/a/b/counts/",
        "emotion-agent/v1/a/b/counts/c/d",
        "emotion-agent/v1//b/health",
        "emotion-agent/v2/a/b/health",
        "emotion-agent/v1/a/b/frame",
    ],
)
def test_near_misses_are_not_taken_for_ours(topic: str) -> None:
    assert parse_topic("emotion-agent", topic) is None


def test_filters_choose_site_and_device() -> None:
    assert topics.fleet_filter("r") == "r/v1/+/+/#"
    assert topics.fleet_filter("r", site="a") == "r/v1/a/+/#"
    assert topics.fleet_filter("r", site="a", device="b") == "r/v1/a/b/#"
