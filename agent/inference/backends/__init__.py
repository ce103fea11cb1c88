"""One file per inference runtime; ``opening`` takes the one a file is for."""
