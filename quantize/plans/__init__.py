"""What to build, and how it is judged: one file per kind of network."""
