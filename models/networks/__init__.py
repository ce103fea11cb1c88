"""Network definitions, and the weight files that fill them."""
