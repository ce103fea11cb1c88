# Written by `python -m quantize sign`: Ed25519 over every byte of manifest.toml.

key_id = "bfde502bdd36c990"
signature = "UXyUEmLr7hlp/PoBVHhxlJZxMiQKyd1ezKnrA2fyiKIosap3x7swQRqAOdlCjX8CfD9al44qCuM79MhOgv3+CA=="
