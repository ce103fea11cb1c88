"""Everything that touches a neural network: one file per backend, one copy of pre- and post-processing."""
