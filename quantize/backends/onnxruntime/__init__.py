"""INT8 for ONNX Runtime: QDQ nodes, static, per-channel."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from quantize.backends.onnxruntime.image_entry import find_image_entry
    from quantize.backends.onnxruntime.static import CHUNK, quantize_onnx, tail_nodes
else:
    __getattr__, __all__ = opened(__name__)
