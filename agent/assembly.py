"""The only place that builds: a lane per source, its pipeline, and the publisher with its birth message."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent import __version__
from agent.aggregator import AnyAggregator, make_aggregator
from agent.classifier import Classifier
from agent.contract import (
    BirthMeasuredCount,
    BirthMessage,
    BirthModels,
    BirthPolicy,
    Identity,
    LedgerEntry,
    ModelIdentity,
    new_session_id,
)
from agent.detector import Detector
from agent.pipeline import Pipeline
from agent.privacy import DayKeeper, InView
from agent.publisher import Publisher, WallClock
from agent.scheduler import Scheduler
from agent.source import Capture, Mailbox, make_capture
from agent.tracker import make_tracker

if TYPE_CHECKING:
    from agent.inference import LoadedNetwork, Networks
    from agent.privacy import PrivacyPolicy
    from agent.settings import AgentSettings
    from agent.tracker import Tracker


@dataclass(frozen=True, slots=True)
class Lane:
    """Everything that belongs to one source."""

    capture: Capture
    pipeline: Pipeline
    in_view: InView
    aggregator: AnyAggregator


def build_lanes(
    networks: Networks,
    settings: AgentSettings,
    clock: Callable[[], float],
    mailbox: Mailbox,
    stop: threading.Event,
    *,
    watch: Callable[[Tracker], Tracker] | None = None,
) -> Mapping[str, Lane]:
    """A lane for each source by its name; nothing is opened yet.

    Args:
        networks: Shared by all sources, which take turns.
        settings: For every stage.
        clock: Monotonic seconds.
        mailbox: Where the captures leave their frames.
        stop: Ends every wait of a capture.
        watch: As :func:`build_pipeline` takes it.
    """
    return {
        name: Lane(
            make_capture(name, source, mailbox, stop),
            build_pipeline(networks, settings, clock, watch=watch, expressions=settings.expressions_of(name)),
            InView(settings.privacy),
            build_aggregator(name, settings, clock()),
        )
        for name, source in settings.sources.items()
    }


def build_aggregator(name: str, settings: AgentSettings, now_s: float) -> AnyAggregator:
    """The counting of one source, which opens its first window at ``now_s`` monotonic seconds."""
    source, window_s = settings.sources[name], settings.privacy.window_s
    return make_aggregator(name, source, window_s, now_s, expressions=settings.expressions_of(name))


def build_days(settings: AgentSettings, wallclock: WallClock) -> Mapping[str, DayKeeper]:
    """Who keeps the day's total of each source that counts expressions; nobody unless it is asked for."""
    kept = filter(settings.expressions_of, settings.sources) if settings.privacy.day_total else ()
    return {name: DayKeeper(settings.privacy.window_s, lambda: wallclock.utc_offset_s) for name in kept}


def build_pipeline(
    networks: Networks,
    settings: AgentSettings,
    clock: Callable[[], float],
    scheduler: Scheduler | None = None,
    *,
    watch: Callable[[Tracker], Tracker] | None = None,
    expressions: bool = True,
) -> Pipeline:
    """The stages of one source.

    Args:
        networks: Shared by all sources, which take turns.
        settings: For every stage.
        clock: Monotonic seconds.
        scheduler: None makes one for the configured budget.
        watch: Puts a tracker that takes notes in the tracker's place.
        expressions: Whether those that this source sees are inferred.
    """
    tracker = make_tracker(settings.tracker)
    classifier = None
    if expressions:
        classifier = Classifier(networks.classifier, settings.classifier, networks.calibrated_floor)
    return Pipeline(
        [Detector(network, settings.detector, expressions=expressions) for network in networks.detectors],
        tracker if watch is None else watch(tracker),
        classifier,
        scheduler or Scheduler(settings.latency.budget_ms, networks.relative_costs, networks.start_tier),
        clock,
    )


def build_publisher(
    networks: Networks,
    settings: AgentSettings,
    policy: PrivacyPolicy,
    clock: WallClock,
    state_dir: Path | None,
) -> Publisher:
    """The publisher of a new session; it connects when it is started.

    Args:
        networks: As the birth message names them.
        settings: The broker, and what the birth message says of the policy.
        policy: Knows what the noise of a day adds up to.
        clock: Stamps windows.
        state_dir: For the queue of unsent windows; None keeps them in memory.
    """
    return Publisher(
        settings.mqtt,
        Identity(settings.deployment.site, settings.deployment.device, settings.mqtt.root),
        _birth(networks, settings, policy),
        clock=clock,
        state_dir=state_dir,
        homeassistant=settings.homeassistant,
    )


def _birth(networks: Networks, settings: AgentSettings, policy: PrivacyPolicy) -> BirthMessage:
    privacy = settings.privacy
    return BirthMessage(
        session_id=new_session_id(),
        agent=__version__,
        models=BirthModels(
            detector=_identity(networks.detectors[0]),
            classifier=None if networks.classifier is None else _identity(networks.classifier),
            signed_by=networks.signer_id or None,
        ),
        backend=networks.detectors[0].file.backend,
        policy=BirthPolicy(
            window_s=privacy.window_s,
            min_count=privacy.min_count,
            epsilon=privacy.epsilon,
            epsilon_per_day=policy.epsilon_per_day,
            max_tracks_per_person=privacy.max_tracks_per_person,
            epsilon_per_person_day=policy.epsilon_per_person_day,
            ledger=tuple(
                LedgerEntry(release=release, epsilon=float(entry.epsilon), sensitivity=entry.sensitivity)
                for release, entry in policy.ledger.items()
            ),
        ),
        sources=tuple(settings.sources),
        measured_count={
            name: BirthMeasuredCount.model_validate(source.measured, from_attributes=True)
            for name, source in settings.sources.items()
            if source.measured is not None
        },
        expressions=settings.expressions,
        lines=tuple(name for name, source in settings.sources.items() if source.line is not None),
    )


def _identity(network: LoadedNetwork) -> ModelIdentity:
    return ModelIdentity(id=network.name, sha256=network.file.sha256, precision=network.file.precision)
