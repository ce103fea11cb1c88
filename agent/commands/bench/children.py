"""The measured process and its neighbours."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Callable, Iterator
from multiprocessing import shared_memory
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from pydantic import TypeAdapter

from agent.commands.bench.measured import Played, Request, Several, Still
from agent.host import python_child

if TYPE_CHECKING:
    from agent.synthetic import Clip

Measured = TypeVar("Measured", Played, Still, Several)


def measure(request: Request, kind: type[Measured], say: Callable[[float], None]) -> Measured | None:
    """What a worker measured; its errors go where ours go.

    Args:
        request: What to run.
        kind: What comes of that.
        say: Takes the share that is done.

    Returns:
        None where the worker ended without a result.
    """
    pipe = subprocess.PIPE
    with python_child("agent.commands.bench.worker", stdin=pipe, stdout=pipe) as process:
        if process.stdin is None or process.stdout is None:
            return None
        try:
            process.stdin.write(TypeAdapter(Request).dump_json(request))
            process.stdin.close()
            for line in process.stdout:
                # The libraries of a backend write to the same stream.
                if line.startswith(b'{"progress"'):
                    say(json.loads(line)["progress"])
                elif line.startswith(b'{"result"'):
                    return TypeAdapter(kind).validate_python(json.loads(line)["result"])
        finally:
            process.kill()
    return None


@contextlib.contextmanager
def burning(count: int) -> Iterator[None]:
    """Neighbours that want all of a core."""
    processes = [python_child("agent.commands.bench.burner") for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


@contextlib.contextmanager
def shared(clip: Clip) -> Iterator[str]:
    """The clip's frames in shared memory; gives its name."""
    memory = shared_memory.SharedMemory(create=True, size=clip.frames.nbytes)
    try:
        np.copyto(np.ndarray(clip.frames.shape, np.uint8, memory.buf), clip.frames)
        yield memory.name
    finally:
        memory.close()
        memory.unlink()
