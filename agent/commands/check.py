"""``emotion-agent check``: every mistake of a configuration in one go."""

from __future__ import annotations

import typer

from agent.commands.options import DEFAULT_CONFIG, Config
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
    typer.echo(f"  signature of the networks: {signature_in_words(networks.signer)}")
    for network in used:
        typer.echo(f"  {network.name}: {network.file.backend} {network.file.precision}, digest verified")
