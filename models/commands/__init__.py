"""``python -m models …``, a file per command."""
