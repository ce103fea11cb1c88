"""Everything that touches a neural network: one file per backend, one copy of pre- and post-processing.

Inference runtimes that report home are silenced here, because this runs before any of them is imported:
ONNX Runtime's Linux wheels (from 1.29) keep a database of usage events in ``~/.cache`` and upload it, unless
this variable is set when the library loads. ``tests/system/test_no_trace.py`` shows that it holds.
"""
# mypy: implicit-reexport

import os
from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from agent.inference.network import LoadedNetwork, Network
    from agent.inference.networks import Networks, choose_networks, load_networks
    from agent.inference.preprocess import InputImage, Letterbox, LetterboxPlan, crop_face
else:
    __getattr__, __all__ = opened(__name__)

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
