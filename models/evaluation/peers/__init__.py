"""Other people's packages on the same clips, for who wants to know how ours compares.

heads.csv | the astronaut ──► clips ──► ours, YuNet, fer (in its own interpreter) ──► a row each
"""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from models.evaluation.peers.compare import Peer, PeersAsked, compare_peers, peer_sheet
    from models.evaluation.peers.heads import write_heads
else:
    __getattr__, __all__ = opened(__name__)
