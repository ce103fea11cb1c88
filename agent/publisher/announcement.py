"""The retained messages around the windows: who the device is, how it is doing, whether it is there."""

from __future__ import annotations

import json
import logging
import time
from typing import TYPE_CHECKING, Final

from agent.contract import BirthMessage, HealthMessage, topics
from agent.mqtt import BrokerLink, Will
from agent.publisher.homeassistant import discovery_payload

if TYPE_CHECKING:
    from agent.settings import HomeAssistantSettings

logger = logging.getLogger(__name__)

DISCOVERY_INTERVAL_S: Final = 10.0
"""Discovery is repeated no more often, however often Home Assistant says that it has started."""
_FORMER_WAIT_S: Final = 2.0
"""For the announcement under the former id to arrive and be taken back: entities get their old names if it
went before the new ones came."""


class Announcer:
    """Publishes them over one link after the other; used by the ``mqtt`` thread."""

    def __init__(
        self, identity: topics.Identity, birth: BirthMessage, homeassistant: HomeAssistantSettings
    ) -> None:
        self._identity = identity
        self._birth = birth
        self._homeassistant = homeassistant
        self._told_health: HealthMessage | None = None
        self._status_topic = topics.homeassistant_status_topic(homeassistant.prefix)
        self._former_topic = topics.former_discovery_topic(identity, homeassistant.prefix)
        self._discovery_due = False
        self._not_before_s = 0.0
        self._warned = False

    @property
    def will(self) -> Will:
        """What the broker says when the device vanishes."""
        return Will(topics.availability_topic(self._identity), topics.OFFLINE.encode())

    def greet(self, link: BrokerLink) -> None:
        """First thing on every accepted connection: ``online``, birth, and discovery if asked for."""
        self._told_health = None
        link.publish(topics.availability_topic(self._identity), topics.ONLINE.encode(), retain=True)
        link.publish(topics.birth_topic(self._identity), self._birth.payload(), retain=True)
        if self._homeassistant.discovery:
            former = [self._former_topic] if self._former_topic else []
            self._discovery_due = True
            self._not_before_s = time.monotonic() + (_FORMER_WAIT_S if former else 0.0)
            self._discover(link)
            link.subscribe(self._status_topic, *former)

    def tell_health(self, link: BrokerLink, latest: HealthMessage | None) -> None:
        """The latest health, unless this connection has seen it or has no room for it."""
        if latest is not None and latest is not self._told_health and not link.congested:
            link.publish(topics.health_topic(self._identity), latest.payload(), retain=True)
            self._told_health = latest

    def answer(self, link: BrokerLink) -> None:
        """Home Assistant has (re)started when it says ``online``: it wants discovery again.

        What an earlier release announced of this device under an id that others may share is taken back.
        """
        if link.subscribed is False and not self._warned:
            self._warned = True
            logger.warning(
                "the broker refuses to tell of %s: allow it, or discovery is not repeated when it starts",
                " or ".join(filter(None, (self._status_topic, self._former_topic))),
            )
        ours = json.dumps(topics.availability_topic(self._identity)).encode()
        while link.received:
            message = link.received.popleft()
            if message.topic == self._former_topic and ours in message.payload:
                link.publish(self._former_topic, b"", retain=True)
                self._former_topic, self._not_before_s = "", 0.0
            elif message.topic == self._status_topic and not message.retained:
                self._discovery_due |= message.payload == topics.ONLINE.encode()
        self._discover(link)

    def say_offline(self, link: BrokerLink) -> int:
        """Last thing before a clean disconnect; returns the ticket to wait for."""
        return link.publish(topics.availability_topic(self._identity), topics.OFFLINE.encode(), retain=True)

    def _discover(self, link: BrokerLink) -> None:
        now_s = time.monotonic()
        if not self._discovery_due or now_s < self._not_before_s or link.congested:
            return
        self._discovery_due = False
        self._not_before_s = now_s + DISCOVERY_INTERVAL_S
        topic = topics.discovery_topic(self._identity, self._homeassistant.prefix)
        link.publish(topic, discovery_payload(self._identity, self._birth), retain=True)
