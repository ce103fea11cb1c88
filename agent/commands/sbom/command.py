"""``emotion-agent sbom``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def sbom(
    *,
    wheels: Annotated[
        Path | None, typer.Option(help="List a folder of wheels instead of this installation.", exists=True)
    ] = None,
) -> None:
    """Print what is installed, networks included, as a bill of materials (CycloneDX, JSON)."""
    from agent.commands.sbom.cyclonedx import sbom_of_environment, sbom_of_wheels  # noqa: PLC0415

    typer.echo(sbom_of_environment() if wheels is None else sbom_of_wheels(wheels), nl=False)
