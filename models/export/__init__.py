"""Trained weights to FP32 ONNX."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from models.export.emotion import export_emotion
    from models.export.face import export_face
else:
    __getattr__, __all__ = opened(__name__)
