# Written by `python -m quantize sign`: Ed25519 over every byte of manifest.toml.

key_id = "bfde502bdd36c990"
signature = "T7tGHXWzASzzaTir++ll9yeKmpYUAr6Z/waPEBXq/Q61eQpQQEkj298LLe/lmYzqA+qsoaKDe+sInUI4wBr1Bw=="
