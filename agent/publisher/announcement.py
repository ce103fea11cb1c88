"""The retained messages around the windows: who the device is, how it is doing, whether it is there."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from agent.contract import BirthMessage, HealthMessage, topics
from agent.mqtt import BrokerLink, Will
from agent.publisher.homeassistant import discovery_payload

if TYPE_CHECKING:
    from agent.settings import HomeAssistantSettings

logger = logging.getLogger(__name__)


class Announcer:
    """Publishes them over one link after the other; used by the ``mqtt`` thread."""

    def __init__(
        self, identity: topics.Identity, birth: BirthMessage, homeassistant: HomeAssistantSettings
    ) -> None:
        self._identity = identity
        self._birth = birth
        self._homeassistant = homeassistant
        self._told_health: HealthMessage | None = None
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
            self._discover(link)
            link.subscribe(topics.homeassistant_status_topic(self._homeassistant.prefix))

    def tell_health(self, link: BrokerLink, latest: HealthMessage | None) -> None:
        """The latest health, unless this connection has seen it."""
        if latest is not None and latest is not self._told_health:
            link.publish(topics.health_topic(self._identity), latest.payload(), retain=True)
            self._told_health = latest

    def answer(self, link: BrokerLink) -> None:
        """Home Assistant has (re)started when it says ``online``: it wants discovery again."""
        if link.subscribed is False and not self._warned:
            self._warned = True
            logger.warning(
                "the broker refuses to tell of %s: allow it, or discovery is not repeated when it starts",
                topics.homeassistant_status_topic(self._homeassistant.prefix),
            )
        messages = [link.received.popleft() for _ in range(len(link.received))]
        if any(message.payload == topics.ONLINE.encode() and not message.retained for message in messages):
            self._discover(link)

    def say_offline(self, link: BrokerLink) -> int:
        """Last thing before a clean disconnect; returns the ticket to wait for."""
        return link.publish(topics.availability_topic(self._identity), topics.OFFLINE.encode(), retain=True)

    def _discover(self, link: BrokerLink) -> None:
        topic = topics.discovery_topic(self._identity, self._homeassistant.prefix)
        link.publish(topic, discovery_payload(self._identity, self._birth), retain=True)
