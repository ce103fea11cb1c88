"""Promises of ``agent``, one file per module."""
