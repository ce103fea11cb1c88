"""Every way into the agent, fed with what chance makes of good input: ``make fuzz``."""
