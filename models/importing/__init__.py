"""A user's own YOLO, from its ONNX export to a network that the agent runs by name.

    FILE.onnx ──► onnx_file ──► outputs ──► class_names ──► check ──► network ──► bundle folder
                  input fixed   head found  labels mapped   a picture  entry, copy

Training, exporting and the exporter's own licence are the user's; nothing here runs code out of the file.
"""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from models.importing.network import ImportRequest, import_network
else:
    __getattr__, __all__ = opened(__name__)
