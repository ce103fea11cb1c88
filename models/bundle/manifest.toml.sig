# Written by `python -m quantize sign`: Ed25519 over every byte of manifest.toml.

key_id = "bfde502bdd36c990"
signature = "htHMFoFYIvNi7kvMGsWQ76U7eHVmIrU8E1ufpi+/ZBFJsPVWjQ4N0vJRJCcUA4pQrSlZz4IUNXB+IPutREaFBA=="
