"""Walks of known truth."""
