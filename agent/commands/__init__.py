"""One folder or file per ``emotion-agent …`` that a user types; only ``agent.cli`` imports them."""
