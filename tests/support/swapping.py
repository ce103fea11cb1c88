"""A neighbour who exchanges a network's file again and again while it is loaded."""

from __future__ import annotations

import contextlib
import itertools
import threading
from typing import TYPE_CHECKING, Final

from agent.errors import ModelError
from agent.inference.backends.opening import load_network

if TYPE_CHECKING:
    import random

    from agent.inference.bundle.manifest import Bundle

LONGEST_WAIT_S: Final = 0.002
"""Between two exchanges; a load takes some milliseconds."""
Shapes = tuple[tuple[int, ...], ...]


def loads_while_swapped(bundle: Bundle, impostor: bytes, loads: int, chance: random.Random) -> list[Shapes]:
    """Output shapes of the networks that were loaded, ``loads`` of them; what was refused is tried again.

    Each exchange is a rename, so every reader meets one whole file or the other.
    """
    ((name, entry),) = bundle.manifest.networks.items()
    path = bundle.folder / entry.files[0].path
    contents = (path.read_bytes(), impostor)
    done = threading.Event()

    def swap() -> None:
        for content in itertools.cycle(contents):
            beside = path.with_name("beside")
            beside.write_bytes(content)
            beside.replace(path)
            if done.wait(chance.random() * LONGEST_WAIT_S):
                return

    swapper = threading.Thread(target=swap)
    swapper.start()
    loaded: list[Shapes] = []
    try:
        while len(loaded) < loads:
            with contextlib.suppress(ModelError):
                found = load_network(bundle, name, entry, backend="auto", precision="auto", threads=1)
                loaded.append(found.network.output_shapes)
                found.network.close()
    finally:
        done.set()
        swapper.join()
    return loaded
