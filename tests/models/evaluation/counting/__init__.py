"""Counts held against the truth."""
