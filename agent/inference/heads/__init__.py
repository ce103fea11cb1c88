"""From the outputs of a detector to boxes."""
