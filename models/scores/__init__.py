"""Scores of predictions against labels."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from models.scores.aligned import AlignedPictures, aligned_pictures, on_canvas
    from models.scores.expressions import (
        confusion,
        confusion_of_eight,
        decide,
        f1_per_class,
        probabilities,
        score_emotions,
    )
    from models.scores.faces import OVERLAP, Judged, average_precision, outside_ignored, precision_recall
    from models.scores.runtime import (
        FACE_HEIGHTS_PX,
        Photo,
        PortraitScores,
        ap50_by_height,
        emotion_logits,
        judge_faces,
        judge_yunet,
        run_times_ms,
        score_aligned,
        score_emotion,
        score_faces,
        score_portraits,
    )
else:
    __getattr__, __all__ = opened(__name__)
