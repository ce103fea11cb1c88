"""A user's own YOLO, from its ONNX export to a network that the agent runs by name.

    FILE.onnx ──► onnx_file ──► outputs ──► class_names ──► check ──► network ──► bundle folder
                  input fixed   head found  labels mapped   a picture  entry, copy

The command does this in a child process (``worker``): a file may never end, or fell the runtime.
Training, exporting and the exporter's own licence are the user's; nothing here runs code out of the file.
"""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from models.importing.request import REQUEST, ImportRequest
else:
    __getattr__, __all__ = opened(__name__)
