"""``emotion-agent provision``: who has to have signed a file for the first boot, and what it may say.

Whoever holds the memory card can write that file. So it is taken from the image's key where there is one, and
never makes the device tell more than the configuration that came with the image allows.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final

import typer
from pydantic import ValidationError

from agent.errors import ConfigError
from agent.settings import (
    NO_CLASSIFIER,
    AgentSettings,
    ModelsSettings,
    MqttSettings,
    PrivacySettings,
    describe_problems,
    load_settings,
    read_small_file,
)

NAME: Final = "emotion-agent.toml"


def provision(
    given: Annotated[Path, typer.Argument(help="A configuration, with [provision] as its last table.")],
    *,
    into: Annotated[Path, typer.Option(help="Folder for config.toml and, if one is given, mqtt-password.")],
    limits: Annotated[Path | None, typer.Option(help="The image's own configuration.")] = None,
    key: Annotated[Path | None, typer.Option(help="Public key (PEM) that has to have signed it.")] = None,
) -> None:
    """Take a file for the first boot apart, if it is signed as it must be and lowers no privacy."""
    try:
        text = read_small_file(given)
        if key is not None:
            _require_signature(given, text, key)
        head, password = _taken_apart(text.removeprefix("\ufeff"))
        present = tomllib.loads(read_small_file(limits)) if limits is not None else {}
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{NAME} can't be taken into use: {error}; correct it") from error
    (into / "config.toml").write_text(head, encoding="utf-8")
    if password is not None:
        (into / "mqtt-password").write_text(password, encoding="utf-8")
    settings = load_settings(into / "config.toml")
    if lowered := list(_lowered(settings, present)):
        remedy = "leave it, or change it in the image's own configuration"
        raise ConfigError("\n".join(f"{NAME}: {which} than this image allows: {remedy}" for which in lowered))


def _require_signature(given: Path, text: str, key: Path) -> None:
    from agent.inference.bundle import SignatureFile, is_signed_by, read_public_key  # noqa: PLC0415

    signer = read_public_key(key)
    try:
        signature = "".join(read_small_file(given.with_name(f"{given.name}.sig")).split())
    except FileNotFoundError:
        raise ConfigError(f"{NAME} is not signed: this image takes files of key {signer} only") from None
    claim = SignatureFile(key_id=signer.key_id, signature=signature)
    if not is_signed_by(signer, claim, text.encode("utf-8"), given):
        raise ConfigError(f"{NAME} is not what key {signer} has signed: sign it anew")


def _taken_apart(text: str) -> tuple[str, str | None]:
    """The configuration, which is the text before [provision], and the password.

    Both are compared as parsed, so nothing slips through.
    """
    whole = tomllib.loads(text)
    secrets = whole.pop("provision", {})
    head = re.split(r"(?m)^\s*\[provision\]", text)[0]
    if not isinstance(secrets, dict) or tomllib.loads(head) != whole:
        raise ConfigError(f"[provision] must be the last table of {NAME}; move it to the end")
    if unknown := set(secrets) - {"mqtt_password"}:
        raise ConfigError(f"unknown key provision.{min(unknown)}; the only one is mqtt_password")
    password = secrets.get("mqtt_password")
    if password is not None and (not isinstance(password, str) or not password or not password.isprintable()):
        raise ConfigError("provision.mqtt_password must be one line of text")
    return head, password


def _lowered(given: AgentSettings, present: Mapping[str, object]) -> Iterator[str]:
    """What would protect less than the image does, where what that leaves out has its default."""
    try:
        privacy = PrivacySettings.model_validate(present.get("privacy", {}))
        models = ModelsSettings.model_validate(present.get("models", {}))
        mqtt = MqttSettings.model_validate(present.get("mqtt", {}))
    except ValidationError as error:
        raise ConfigError(describe_problems(error, "the image's own configuration")) from None
    yield from _less_private(given.privacy, privacy)
    for table, allowed, name in (
        (given.privacy, privacy, "acknowledge_individual_counts"),
        (given.privacy, privacy, "publish_sums"),
        (given.models, models, "allow_unsigned"),
        (given.mqtt, mqtt, "allow_plaintext"),
    ):
        if getattr(table, name) and not getattr(allowed, name):
            yield f"{name} = true is less safe"
    if models.classifier == NO_CLASSIFIER != given.models.classifier:
        yield f"models.classifier = {given.models.classifier!r} infers more"
    if mqtt.uses_tls and not given.mqtt.uses_tls:
        yield "mqtt without TLS is less safe"
    if not set(given.models.trusted_keys) <= set(models.trusted_keys):
        yield "models.trusted_keys trusts more signers"


def _less_private(given: PrivacySettings, privacy: PrivacySettings) -> Iterator[str]:
    for name in ("min_count", "window_s"):
        if getattr(given, name) < getattr(privacy, name):
            yield f"privacy.{name} = {getattr(given, name)} is lower"
    for name, how in (("epsilon", "less noise"), ("max_tracks_per_person", "higher")):
        most, asked = getattr(privacy, name), getattr(given, name)
        if (asked or float("inf")) > (most or float("inf")):
            yield f"privacy.{name} = {asked or 'none'} is {how}"
