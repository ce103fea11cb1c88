"""The draft of a data protection impact assessment, as far as a configuration can fill it in (Art. 35 GDPR).

The words stand in ``forms/dpia.en.md``. What depends on the configuration is said here, so that the draft
claims no measure that is switched off; what only the operator knows stays a visible blank.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from string import Template
from typing import Final

from agent import __version__
from agent.commands.notice.kinds import Kinds, kinds_of
from agent.commands.notice.sheet import duration, escaped, purpose_of, words_in
from agent.privacy import PrivacyPolicy
from agent.settings import (
    AgentSettings,
    MqttSettings,
    OpenCvSource,
    Picamera2Source,
    PrivacySettings,
    SourceSettings,
    is_loopback,
)
from agent.tracker import REMEMBERED_S

BLANK: Final = "**[TO FILL IN: {}]**"
"""Whatever the configuration doesn't say; the document is done when no such mark is left."""

_DAY_SENT: Final = (
    " When a day (UTC) or the run ends, the same for the whole of it, added up over all its windows, withheld"
    " ones too."
)
_DAY_KEPT: Final = "| totals of the day so far | working memory | until the day or the run ends |\n"
_RELEASES: Final[Mapping[str, str]] = {
    "counts": "the window's counts",
    "sums": "the window's summed probabilities",
    "day": "the day's total",
}


def render_dpia(settings: AgentSettings) -> str:
    """The draft in Markdown, in English; it ends with a line break.

    Raises:
        ConfigError: The context is prohibited and no safety purpose is written out.
    """
    form = (resources.files(__package__) / "forms" / "dpia.en.md").read_text(encoding="utf-8")
    return Template(form).substitute(
        {
            **_who_and_what_for(settings),
            **_what_is_sent(settings.privacy, kinds_of(settings)),
            **_where_to(settings.mqtt),
            **_what_is_seen(settings.sources),
            **_which_networks(settings),
            **_what_is_counted(kinds_of(settings)),
            "version": __version__,
            "coast": _in_words(max(REMEMBERED_S, settings.tracker.max_coast_ms / 1_000.0)),
            "health": _in_words(settings.health.interval_s),
            "queue": str(settings.mqtt.queue_max_windows),
        }
    )


def _in_words(seconds: float) -> str:
    return duration(words_in("en").units, seconds) if seconds >= 1.0 else f"{seconds:g} seconds"


def _who_and_what_for(settings: AgentSettings) -> Mapping[str, str]:
    place = settings.deployment
    return {
        "site": escaped(place.site),
        "device": escaped(place.device),
        "operator": escaped(place.operator) or BLANK.format("name and address"),
        "contact": escaped(place.contact) or BLANK.format("how to reach the operator"),
        "context": place.context,
        "purpose": escaped(purpose_of(words_in("en"), place, kinds_of(settings))),
        "prohibition": (
            "Work and education are prohibited except for medical or safety reasons (Art. 5(1)(f) AI Act)."
            f" The reason written out: {escaped(place.safety_purpose)} "
            + BLANK.format("evidence that this reason carries the exception")
            if place.context in {"workplace", "education"}
            else "Inferring emotions of people at work or in education is prohibited (Art. 5(1)(f) AI Act);"
            f" {'the device refuses such a context' if settings.expressions else 'the device infers none'}. "
            + BLANK.format("confirm that no staff or pupils are in view")
        ),
    }


_EXPRESSIONS: Final = {
    "subject": "facial-expression",
    "reason": (
        "The device estimates facial expressions of whoever passes its camera. In the words of Regulation"
        " (EU) 2024/1689 (AI Act) this is an emotion recognition system, Art. 3(39): a high-risk use (Annex"
        " III, 1(c)) with a duty to inform those concerned (Art. 50(3))."
    ),
    "milder": "counting people without expressions, or asking them",
    "accuracy": "A single estimate is often wrong",
    "information": "Art. 13 GDPR, Art. 50(3) AI Act",
}
_PEOPLE: Final = {
    "subject": "people",
    "reason": (
        "The device counts whoever passes its camera by their faces. No expression is inferred, nor anything"
        " else about a person, so that it is no emotion recognition system in the words of Regulation (EU)"
        " 2024/1689 (AI Act), Art. 3(39)."
    ),
    "milder": "a light barrier, or counting by hand",
    "accuracy": "Somebody may be missed or counted twice",
    "information": "Art. 13 GDPR",
}


def _what_is_counted(kinds: Kinds) -> Mapping[str, str]:
    remembered, votes, sent = ["position of each face"], [], []
    if kinds.expressions:
        remembered.append("its votes so far")
        votes.append("one vote for each tracked face")
        sent.append(
            "how many people were counted, and how many had each estimate: neutral, happiness, surprise,"
            " sadness, anger, disgust, fear, contempt or unknown"
        )
    if kinds.people:
        votes.append("which tracked faces were counted")
        sent.append("how many people were counted")
    if kinds.crossings:
        remembered.append("its side of the line")
        votes.append("how often the line was crossed")
        sent.append("how many people crossed a line in the picture, one way and the other")
    return {
        **(_EXPRESSIONS if kinds.expressions else _PEOPLE),
        "remembered": ", ".join(remembered),
        "vote": "; ".join(votes),
        "sent": "; or ".join(sent),
    }


def _what_is_sent(privacy: PrivacySettings, kinds: Kinds) -> Mapping[str, str]:
    window = _in_words(privacy.window_s)
    if privacy.min_count > 1:
        counted = [*(["people"] * (kinds.expressions or kinds.people)), *(["crossings"] * kinds.crossings)]
        least = f"{privacy.min_count} {' or '.join(counted)}"
        threshold = f"A window with fewer than {least} is withheld, its number included."
        threshold_short = f"threshold of {least}"
    else:
        threshold = "No threshold: totals of a single person are published, as the configuration says."
        threshold_short = "no threshold"
    rest = "somebody who knows all others in a window can compute the last one"
    noise, noise_short = "No noise is added.", "no noise"
    if privacy.epsilon is not None:
        noise = _noise(PrivacyPolicy(privacy), privacy.epsilon)
        noise_short = f"noise, epsilon {privacy.epsilon:g} per window"
        rest = "the protection of a person adds up over the windows and tracks that are theirs"
    return {
        "window": window,
        "threshold": threshold,
        "threshold_short": threshold_short,
        "noise": noise,
        "noise_short": noise_short,
        "single_rest": rest,
        "day_sent": _DAY_SENT if privacy.day_total else "",
        "day_kept": _DAY_KEPT if privacy.day_total else "",
    }


def _noise(policy: PrivacyPolicy, epsilon: float) -> str:
    said = (
        f"Every number has discrete Laplace noise: differential privacy with epsilon {epsilon:g}"
        " for one track in one window, which adds up over windows and tracks, to"
        f" {policy.epsilon_per_day:g} for one that is in view for a day."
    )
    if len(policy.ledger) > 1:
        parts = ", ".join(
            f"{float(entry.epsilon):g} for {_RELEASES[of]}" for of, entry in policy.ledger.items()
        )
        said += f" It is the sum of {parts}."
    if (most := policy.epsilon_per_person_day) is not None:
        said += f" For one person, whatever they do, it is {most:g} in a day at most."
    return said


def _where_to(mqtt: MqttSettings) -> Mapping[str, str]:
    if mqtt.uses_tls:
        transport, measure = "encrypted (TLS, certificate checked)", "TLS with a checked certificate"
    elif is_loopback(mqtt.host):
        transport = measure = "on the device itself, unencrypted"
    else:
        transport = measure = "NOT ENCRYPTED, as the configuration allows"
    return {
        "broker": escaped(f"{mqtt.host}:{mqtt.effective_port}"),
        "transport": transport,
        "transport_measure": measure,
    }


def _what_is_seen(sources: Mapping[str, SourceSettings]) -> Mapping[str, str]:
    zones = sum(len(source.exclusion_zones) for source in sources.values())
    missing = BLANK.format("why no staff area is in view")
    return {
        "cameras": "\n".join(_camera_row(name, source) for name, source in sources.items()),
        "zones_short": f"{zones} area(s) blacked out" if zones else "no area blacked out",
        "staff": f"{zones} area(s) are blacked out before detection" if zones else f"nothing here: {missing}",
    }


def _camera_row(name: str, source: SourceSettings) -> str:
    kind, picture = "recorded file or pictures", "as recorded"
    if isinstance(source, OpenCvSource | Picamera2Source):
        picture = f"{source.width_px} × {source.height_px}, {source.fps:g} a second"
        kind = "camera at the device"
    # The address stays out: it may hold a password.
    if isinstance(source, OpenCvSource) and "://" in str(source.device):
        kind = "camera on the network"
    zones = len(source.exclusion_zones)
    areas = str(zones) if zones else "none; " + BLANK.format("staff areas, screens, entrances to toilets?")
    return f"| {escaped(name)} | {kind} | {picture} | {areas} |"


def _which_networks(settings: AgentSettings) -> Mapping[str, str]:
    if settings.models.bundle is None:
        networks = (
            "Scores and known failures of the shipped networks are in their model cards (`models/cards`)."
        )
        fairness = "error rates by age, gender or skin tone have not been measured for the shipped networks"
    else:
        networks = BLANK.format("scores and known failures of your own networks")
        fairness = BLANK.format("what is known of your own networks' error rates by group")
    signature = "Their manifest must be signed by a trusted key, and each file must have the digest it names."
    if settings.models.allow_unsigned:
        signature = "UNSIGNED networks are allowed by the configuration; digests catch accidents only."
    return {"networks": networks, "fairness": fairness, "signature": signature}
