"""``emotion-agent notice``: the sign for the door, and the draft of the impact assessment."""
