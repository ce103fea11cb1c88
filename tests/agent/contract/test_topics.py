"""Topics of contract v1 are built and parsed by the same rules."""

from __future__ import annotations

import re

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
        == "homeassistant/device/acme_-_counts_museum_door-1/config"
    )


# Few letters, so that names differ in what separates and escapes.
NAME = st.from_regex(r"[a1][a_.-]{0,4}", fullmatch=True)
ROOT = st.from_regex(r"[a_.-]{1,3}(/[a_.-]{1,3}){0,2}", fullmatch=True)


def names_of(identifier: str) -> list[str]:
    """What ``joined`` was given, read back off the id by the rule in its docstring."""
    escapes = {"__": "_", "_--": ".", "_-_": "/"}
    pieces = re.findall(r"__|_--|_-_|_(?=[A-Za-z0-9])|[A-Za-z0-9-]", identifier)
    assert "".join(pieces) == identifier
    return "".join("\0" if piece == "_" else escapes.get(piece, piece) for piece in pieces).split("\0")


@given(ROOT, NAME, NAME, NAME)
def test_the_identity_can_be_read_off_each_of_its_ids(root: str, site: str, device: str, source: str) -> None:
    """So that no two have the same."""
    identity = Identity(site, device, root)
    assert names_of(identity.unique_id) == [root, site, device]
    assert names_of(topics.joined(source, "people")) == [source, "people"]
    assert re.fullmatch(r"[A-Za-z0-9_-]+", identity.unique_id)
    *levels, client_site, client_device = identity.client_id.split(":")
    assert ("/".join(levels), client_site, client_device) == (root, site, device)


@given(st.lists(st.builds(Identity, NAME, NAME, ROOT), min_size=2, max_size=8, unique=True))
def test_distinct_identities_have_distinct_ids(identities: list[Identity]) -> None:
    for ids in ({each.client_id for each in identities}, {each.unique_id for each in identities}):
        assert len(ids) == len(identities)


def test_names_of_letters_digits_and_hyphens_keep_their_former_id() -> None:
    plain = Identity("museum-north", "door-1")
    assert plain.unique_id == "emotion-agent_museum-north_door-1"
    assert topics.former_discovery_topic(plain, "homeassistant") == ""
    dotted = Identity("museum", "door.1")
    assert dotted.unique_id == "emotion-agent_museum_door_--1"
    former = "homeassistant/device/emotion-agent_museum_door_1/config"
    assert topics.former_discovery_topic(dotted, "homeassistant") == former


@settings(deadline=None)
@given(LEVEL, LEVEL, LEVEL)
def test_every_built_topic_parses_to_its_sender(site: str, device: str, source: str) -> None:
    identity = Identity(site, device)
    assert parse_topic(identity.root, topics.counts_topic(identity, source)) == Address(
        site, device, "counts", source
    )
    assert parse_topic(identity.root, topics.window_topic(identity, "day", source)) == Address(
        site, device, "day", source
    )
    assert parse_topic(identity.root, topics.health_topic(identity)) == Address(site, device, "health")


@pytest.mark.parametrize(
    "source", ["", "#", "a/+", "a/b", "hall\0", "-hall", "hall\n", "ha\u00efl", "h" * 64]
)
def test_what_can_be_no_source_makes_no_topic(source: str) -> None:
    with pytest.raises(ValueError, match="level of a topic"):
        topics.counts_topic(IDENTITY, source)


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
