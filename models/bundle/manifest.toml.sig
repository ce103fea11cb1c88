# Written by `python -m quantize sign`: Ed25519 over every byte of manifest.toml.

key_id = "bfde502bdd36c990"
signature = "4CIb0xxdYRmTOjilm6Y90g6l2yUeMFdkBpjmRMuTqX8stQxGkh7yI8yAjRpCu0qxAHS0Wnf3IHVnBAD7uf/HBw=="
