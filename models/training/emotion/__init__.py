"""Training the expression classifier."""
