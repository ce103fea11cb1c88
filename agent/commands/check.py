"""``emotion-agent check``: every mistake of a configuration in one go."""

from __future__ import annotations

import typer

from agent.commands.options import DEFAULT_CONFIG, Config
from agent.domain import Line
from agent.settings import load_settings


def check(config: Config = DEFAULT_CONFIG) -> None:
    """Check the configuration and the model files without opening a camera or a connection."""
    settings = load_settings(config)
    from agent.inference import load_networks  # noqa: PLC0415
    from agent.inference.bundle import signature_in_words  # noqa: PLC0415 - the help must not wait
    from agent.mqtt import load_credentials, tls_context  # noqa: PLC0415

    load_credentials(settings.mqtt)
    tls_context(settings.mqtt)
    networks = load_networks(settings)
    used = [*networks.detectors, *([networks.classifier] if networks.classifier else [])]
    typer.echo(f"{config} is valid: {len(settings.sources)} source(s), broker {settings.mqtt.host}")
    for name, source in settings.sources.items():
        told = "people and their expressions" if settings.expressions_of(name) else "people only"
        if source.line is not None:
            told = f"who crosses its line; {_way_in(source.line)} is in"
        typer.echo(f"  {name} counts {told}")
    typer.echo(f"  signature of the networks: {signature_in_words(networks.signer)}")
    for network in used:
        typer.echo(f"  {network.name}: {network.file.backend} {network.file.precision}, digest verified")


def _way_in(line: Line) -> str:
    """As one sees it in the picture, whose y axis points down: to the right of the line's own direction."""
    x1, y1, x2, y2 = line
    across, down = y1 - y2, x2 - x1
    if abs(across) > abs(down):
        return "from left to right" if across > 0.0 else "from right to left"
    return "downwards" if down > 0.0 else "upwards"
