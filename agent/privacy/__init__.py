"""Which numbers may leave, and what is added to them."""
