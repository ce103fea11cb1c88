"""The measured process and its neighbours; nothing else in the bench starts one."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from multiprocessing import shared_memory
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from pydantic import TypeAdapter

from agent.commands.bench.measured import Played, Several, Still

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agent.commands.bench.request import Request
    from agent.synthetic import Clip

Measured = TypeVar("Measured", Played, Still, Several)


def measure(request: Request, kind: type[Measured], progress: Callable[[float], None]) -> Measured | None:
    """What a worker measured; its errors go where ours go.

    Args:
        request: What to run.
        kind: What comes of that.
        progress: Takes the share that is done.

    Returns:
        None where the worker ended without a result.
    """
    with start_worker() as process:
        if process.stdin is None or process.stdout is None:
            return None
        try:
            process.stdin.write(request.to_json())
            process.stdin.close()
            for line in process.stdout:
                # The libraries of a backend write to the same stream.
                if line.startswith(b'{"progress"'):
                    progress(json.loads(line)["progress"])
                elif line.startswith(b'{"result"'):
                    return TypeAdapter(kind).validate_python(json.loads(line)["result"])
        finally:
            process.kill()
    return None


def start_worker() -> subprocess.Popen[bytes]:
    """The one place that starts the measured process."""
    command = [sys.executable, "-m", "agent.commands.bench.worker"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def start_burner() -> subprocess.Popen[bytes]:
    """The one place that starts a neighbour."""
    return subprocess.Popen([sys.executable, "-m", "agent.commands.bench.burner"])


@contextlib.contextmanager
def burning(count: int) -> Iterator[None]:
    """Neighbours that want all of a core."""
    processes = [start_burner() for _ in range(count)]
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
        view: Any = np.ndarray(clip.frames.shape, np.uint8, memory.buf)
        np.copyto(view, clip.frames)
        del view
        yield memory.name
    finally:
        memory.close()
        memory.unlink()
