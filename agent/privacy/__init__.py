"""Which numbers may leave, what is added to them, and what that costs a person.

readings ──► in_view ──► (aggregator) ──► window ──► policy, with ledger and noise ──► disclosure
                                            └──► day ──► policy
"""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from agent.privacy.day import DayKeeper
    from agent.privacy.in_view import InView
    from agent.privacy.noise import noise_variance
    from agent.privacy.policy import PrivacyPolicy
else:
    __getattr__, __all__ = opened(__name__)
