"""A camera in a process of its own: a driver that hangs hangs alone."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from agent.source.isolation.camera import IsolatedCamera
else:
    __getattr__, __all__ = opened(__name__)
