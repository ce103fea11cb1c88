"""Full-integer files for LiteRT, written operator by operator."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from quantize.backends.litert.write import write_litert
else:
    __getattr__, __all__ = opened(__name__)
