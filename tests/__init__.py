"""Tests, one module per module of the agent; fixtures live in modules named after their topic."""
