"""What version 1 of the MQTT contract says: topics, payloads, schemas."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from agent.contract import topics
    from agent.contract.birth import (
        BirthMeasuredCount,
        BirthMessage,
        BirthModels,
        BirthPolicy,
        LedgerEntry,
        ModelIdentity,
    )
    from agent.contract.messages import (
        CameraHealth,
        HealthMessage,
        HealthState,
        LatencyQuantiles,
        QueueHealth,
        counts_message,
        new_session_id,
    )
    from agent.contract.topics import Address, Identity, WindowKind
    from agent.contract.windows import AnyWindowMessage, kind_of, read_window, window_message
else:
    __getattr__, __all__ = opened(__name__)
