"""Which numbers may leave, and what is added to them."""

from agent.privacy.policy import PrivacyPolicy

__all__ = ["PrivacyPolicy"]
