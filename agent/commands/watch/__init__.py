"""``emotion-agent watch``: a fleet through its broker, as a table or as lines of JSON."""
