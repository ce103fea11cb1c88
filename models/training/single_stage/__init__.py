"""Training a detector that names the expression itself."""
