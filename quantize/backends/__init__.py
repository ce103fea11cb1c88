"""INT8 files for each inference runtime; mirrors ``agent.inference.backends``."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from quantize.backends.openvino import quantize_openvino
else:
    __getattr__, __all__ = opened(__name__)
