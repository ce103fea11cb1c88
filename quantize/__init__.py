"""The offline step from trained weights to what a device runs; never part of the agent's own imports.

    weights ──► export (FP32) ──► calibration ──► onnx_static ──► gate ──► bundle_writer ──► models/bundle
                                  real images     U8S8, S8S8     scores    files + manifest.toml

Calibration images pass through ``agent.inference.preprocess``, the very code that runs on a device.
No INT8 file is written unless it keeps the FP32 network's score on held-out images.
"""

import agent.inference
