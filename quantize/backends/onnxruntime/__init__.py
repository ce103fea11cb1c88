"""INT8 for ONNX Runtime: QDQ nodes, static, per-channel."""
