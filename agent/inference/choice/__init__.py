"""Which backend and precision runs a network fastest here, found by trying."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from agent.inference.choice.choose import Choice, TrialOptions, load_pick, make_choice
    from agent.inference.choice.trial import Trial
else:
    __getattr__, __all__ = opened(__name__)
