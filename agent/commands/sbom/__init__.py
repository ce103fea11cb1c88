"""``emotion-agent sbom``: what is installed, as a bill of materials."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from agent.commands.sbom.command import sbom
else:
    __getattr__, __all__ = opened(__name__)
