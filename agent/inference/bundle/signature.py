"""Child process that checks one Ed25519 signature: run as a script, so that it loads nothing else.

Reads a public key (32 bytes), a signature (64 bytes) and the signed content from stdin, and prints
``VALID`` or ``INVALID``. Anything else, a crash included, is no "valid".
"""

from __future__ import annotations

import sys
from typing import Final

PUBLIC_KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
VALID: Final = "valid"
INVALID: Final = "invalid"


def main() -> None:
    """Serve one request."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - whoever imports this needs no library
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

    request = sys.stdin.buffer.read()
    content_at = PUBLIC_KEY_BYTES + SIGNATURE_BYTES
    key = Ed25519PublicKey.from_public_bytes(request[:PUBLIC_KEY_BYTES])
    try:
        key.verify(request[PUBLIC_KEY_BYTES:content_at], request[content_at:])
    except InvalidSignature:
        sys.stdout.write(INVALID)
    else:
        sys.stdout.write(VALID)


if __name__ == "__main__":
    main()
