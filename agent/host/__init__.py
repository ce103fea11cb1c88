"""The box itself: its service manager, its memory protection, its temperature."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from agent.host.child import ask_child, python_child
    from agent.host.cpu import cpu_model, default_threads, read_cpu_flags
    from agent.host.files import read_fields, read_if_there, replace_whole
    from agent.host.hardening import die_with_parent, harden
    from agent.host.log import set_up_logging
    from agent.host.opencv import load_opencv
    from agent.host.sandbox import Needs, confine, prefer_as_victim, try_confinement
    from agent.host.sd_notify import Notifier
    from agent.host.state import state_directory
    from agent.host.thermal import DeviceReadings, read_device
else:
    __getattr__, __all__ = opened(__name__)
