"""From the outputs of a detector to boxes."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from agent.inference.heads.decoding import (
        CANDIDATE_LIMIT,
        CANDIDATES_PER_FACE,
        make_decoder,
        suppress,
    )
    from agent.inference.heads.detections import Detections
    from agent.inference.heads.layout import BOX_BINS, Layout, find_layout
else:
    __getattr__, __all__ = opened(__name__)
