"""Everything that touches a neural network: one file per backend, one copy of pre- and post-processing.

Inference runtimes that report home are silenced here, because this runs before any of them is imported:
ONNX Runtime's Linux wheels (from 1.29) keep a database of usage events in ``~/.cache`` and upload it, unless
this variable is set when the library loads. ``tests/system/test_no_trace.py`` shows that it holds.
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
