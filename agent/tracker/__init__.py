"""What the tracker stage is made of: how a face moves, and which detection continues which track."""
