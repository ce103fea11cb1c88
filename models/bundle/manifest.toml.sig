# Written by `python -m quantize sign`: Ed25519 over every byte of manifest.toml.

key_id = "bfde502bdd36c990"
signature = "DoPA3BYImYmBEbN5XE0Hru3t0QkFSunY60qiSzMuUl7+/a7yuGBE0pPqkVWsboZbGRoVPlmgOk5aHonkZh6FDw=="
