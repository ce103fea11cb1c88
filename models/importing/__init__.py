"""A user's own YOLO, from its ONNX export to a network that the agent runs by name.

    FILE.onnx ──► onnx_file ──► outputs ──► class_names ──► check ──► network ──► bundle folder
                  input fixed   head found  labels mapped   a picture  entry, copy

Training, exporting and the exporter's own licence are the user's; nothing here runs code out of the file.
"""
