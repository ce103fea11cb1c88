"""Promises of ``models``, one file per module."""
