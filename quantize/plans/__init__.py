"""What to build, and how it is judged: one file per kind of network."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from quantize.plans.emotion import emotion_plan
    from quantize.plans.face import face_plans
    from quantize.plans.imported import build_imported, imported_plans
else:
    __getattr__, __all__ = opened(__name__)
