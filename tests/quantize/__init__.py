"""Promises of ``quantize``, one file per module."""
