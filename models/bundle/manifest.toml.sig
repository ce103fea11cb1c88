# Written by `python -m quantize sign`: Ed25519 over every byte of manifest.toml.

key_id = "bfde502bdd36c990"
signature = "R/gvYlySwKXcfIVbxj3907Qudjx6qRe9WTwu31RXIdGI7dRWCawkeZOPIGBUbCvWFizw7bgCI5+CiXduQRoUDw=="
