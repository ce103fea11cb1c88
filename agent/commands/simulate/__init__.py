"""``emotion-agent simulate``: many made-up devices at one broker, and what that costs."""
