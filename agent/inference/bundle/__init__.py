"""Whose files these are: place, manifest, digests, signature, reference answers."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from agent.inference.bundle.content import (
        MOST_NETWORK_BYTES,
        MOST_TEXT_BYTES,
        Backend,
        NetworkContent,
    )
    from agent.inference.bundle.manifest import (
        MOST_SIDE_PX,
        Bundle,
        InputSpec,
        Manifest,
        NetworkEntry,
        NetworkFile,
        Precision,
        ReferenceFile,
        read_manifest,
    )
    from agent.inference.bundle.onnx_walk import walk_onnx
    from agent.inference.bundle.place import MANIFEST, default_bundle_folder
    from agent.inference.bundle.reference import (
        LEAST_AGREEMENT,
        PICTURE,
        Reference,
        agreement,
        answer_key,
        load_reference,
        reference_input,
    )
    from agent.inference.bundle.trust import (
        SHIPPED_KEYS,
        SIGNATURE,
        SignatureFile,
        SigningKey,
        is_signed_by,
        key_id_of,
        open_bundle,
        read_public_key,
        signature_in_words,
    )
else:
    __getattr__, __all__ = opened(__name__)
