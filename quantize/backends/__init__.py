"""INT8 files for each inference runtime; mirrors ``agent.inference.backends``."""
