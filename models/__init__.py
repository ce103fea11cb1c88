"""The model zoo: networks, data readers, training, evaluation, and the bundle that devices get.

    data ──► network ──► training ──► export ──► quantize ──► models/bundle ──► agent

Importing this package loads nothing heavy: a device finds its bundle beside this file.
"""
