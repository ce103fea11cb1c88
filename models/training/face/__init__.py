"""Training the face detector."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from models.training.face.task import (
        STEPS_PER_EPOCH,
        Curriculum,
        FaceTask,
        detect,
        face_recipe,
        train_face,
    )
else:
    __getattr__, __all__ = opened(__name__)
