"""Writing, checking and signing bundles."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from models.bundling.signing import is_shipped, make_key_pair, sign_bundle
    from models.bundling.writer import sha256_of, write_networks
else:
    __getattr__, __all__ = opened(__name__)
