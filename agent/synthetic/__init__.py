"""The drawn face, and the clips of demo and bench that are made of it."""
