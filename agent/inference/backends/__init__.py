"""One file per inference runtime; ``opening`` takes the one a file is for."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from agent.inference.backends.opening import (
        ADAPTERS,
        CPU,
        choose_file,
        find_devices,
        load_network,
        open_network,
        precision_order,
    )
    from agent.inference.backends.openvino_runtime import opt_out_of_telemetry
else:
    __getattr__, __all__ = opened(__name__)
