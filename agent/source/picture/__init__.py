"""Cheap looks at a frame before anybody detects a face in it: zones, quality, motion."""
