"""Writing, checking and signing bundles."""
