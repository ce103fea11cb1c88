# Written by `python -m quantize sign`: Ed25519 over every byte of manifest.toml.

key_id = "bfde502bdd36c990"
signature = "ia7HLjECzDOhXqq6ZjXr7CfTguDNZYtK+u5Su+23LT8yCp85mqPhwzsCnYHMgLRW7Cn75nXS+LpzuQJptxhwCA=="
