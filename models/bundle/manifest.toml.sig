# Written by `python -m quantize sign`: Ed25519 over every byte of manifest.toml.

key_id = "bfde502bdd36c990"
signature = "WYQ2tU1zthgsBuuoc6cb47XdxDODLDqM0qJNhHNPVJk8virhOUCMel0Vwnco7+YeVni7J9rCPZEEUu/B18L7BA=="
