"""Full-integer files for LiteRT, written operator by operator."""
