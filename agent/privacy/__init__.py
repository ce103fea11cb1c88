"""Which numbers may leave, and what is added to them."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from agent.privacy.policy import PrivacyPolicy
else:
    __getattr__, __all__ = opened(__name__)
