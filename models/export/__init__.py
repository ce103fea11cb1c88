"""Trained weights to FP32 ONNX."""
