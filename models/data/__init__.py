"""Readers of the data files."""
