"""Which backend and precision runs a network fastest here, found by trying."""
