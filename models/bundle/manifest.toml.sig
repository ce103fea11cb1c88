# Written by `python -m quantize sign`: Ed25519 over every byte of manifest.toml.

key_id = "bfde502bdd36c990"
signature = "hOod+Tyo2pdMlFemQvmmRcEsAun2L2lZTCwugzeBfAK+rCLE5UDdLqPLEUjVqdUcVWNrig+oGvjhnk4E2lBUCg=="
