"""Whose files these are: place, manifest, digests, signature, reference answers."""
