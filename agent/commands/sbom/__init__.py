"""``emotion-agent sbom``: what is installed, as a bill of materials."""
