# Written by `python -m quantize sign`: Ed25519 over every byte of manifest.toml.

key_id = "bfde502bdd36c990"
signature = "LZ9HJcOHIFy6cLsfnL3Xz0z272l0JXpTwz0MqObNn2TE3QpnkwpESvgOL3AeX5H9tTdznBS6s+9XPfqyUjt5BQ=="
