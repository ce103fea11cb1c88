"""Stage 1: cameras and recordings become frames, the latest of which waits for the pipeline."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from agent.source.buffers import FrameBuffers
    from agent.source.capture import Capture, make_capture
    from agent.source.mailbox import Mailbox
    from agent.source.rest import Rest
else:
    __getattr__, __all__ = opened(__name__)
