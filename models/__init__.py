"""The model zoo: networks, data readers, training, evaluation, and the bundle that devices get.

    data ──► networks ──► training ──► export ──► quantize ──► models/bundle ──► agent

Importing this package loads nothing heavy.
"""
