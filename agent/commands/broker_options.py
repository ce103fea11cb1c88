"""Which broker: options that win over a configuration file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from agent.errors import ConfigError
from agent.settings import OPTIONS, MqttSettings, describe_problems, file_problems, load_settings

Config = Annotated[Path | None, typer.Option("--config", "-c", help="Take the broker from its [mqtt] table.")]
Host = Annotated[str | None, typer.Option(help="Broker; localhost by default.")]
Port = Annotated[int | None, typer.Option(help="8883 with TLS, 1883 without, by default.")]
Root = Annotated[str | None, typer.Option(help="First level(s) of the topics.")]
User = Annotated[str | None, typer.Option(help="User name.")]
PasswordFile = Annotated[Path | None, typer.Option(help="File with the password on its first line.")]
CaFile = Annotated[Path | None, typer.Option(help="Authorities to trust, PEM.")]


def chosen_broker(config: Path | None, **options: Any) -> MqttSettings:
    """The file's broker, or the one the options describe, which win over the file."""
    base = load_settings(config).mqtt.model_dump() if config is not None else {}
    given = {key: value for key, value in options.items() if value is not None}
    try:
        chosen = MqttSettings.model_validate({**base, **given})
    except ValidationError as error:
        raise ConfigError(describe_problems(error, OPTIONS)) from None
    if problems := list(file_problems("mqtt", chosen)):
        raise ConfigError("\n".join(f"{OPTIONS}: {problem}" for problem in problems))
    return chosen
