"""A confined process computes and talks to hosts, and can do nothing else to the machine it runs on."""

from __future__ import annotations

import ctypes
import json
from typing import Any, Final

import pytest

from agent.host import try_confinement
from agent.host.child import ask_child
from agent.host.syscalls import ARCHITECTURES

PROGRAM: Final = """
import ctypes, json, os, resource, signal, socket, sys, threading, time
import numpy as np
from agent.host import Needs, confine
folder = {folder!r}
kept = os.open(f"{{folder}}/kept", os.O_RDWR)
libc = ctypes.CDLL(None, use_errno=True)

def call(number, *arguments):
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "")

def thread():
    started = threading.Thread(target=lambda: None)
    started.start()
    started.join()

tries = {{
    "write a file": lambda: open(f"{{folder}}/new", "w"),
    "append to a file": lambda: open(f"{{folder}}/kept", "a"),
    "grow an open file": lambda: os.write(kept, b"more"),
    "truncate a file": lambda: os.truncate(f"{{folder}}/kept", 0),
    "remove a file": lambda: os.unlink(f"{{folder}}/kept"),
    "read a credential": lambda: open(f"{{folder}}/secret").read(),
    "list a folder": lambda: os.listdir(folder),
    "fork": os.fork,
    "execute": lambda: os.execv("/bin/true", ["true"]),
    "signal the parent": lambda: os.kill(os.getppid(), 0),
    "signal a thread of the parent": lambda: call(number["tgkill"], os.getppid(), os.getppid(), 0),
    "limit the parent": lambda: resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (1, 1)),
    "trace the parent": lambda: call(number["ptrace"], 16, os.getppid(), 0, 0),
    "read the parent's memory": lambda: open(f"/proc/{{os.getppid()}}/mem", "rb").read(1),
    "a new namespace": lambda: call(number["unshare"], 0x10000000),
    "300 MB": lambda: np.ones(300_000_000, np.uint8),
    "a thread": thread,
    "a host's address": lambda: socket.getaddrinfo("localhost", 80),
    "a connection": lambda: socket.create_connection(("127.0.0.1", {port})),
    "a library": lambda: ctypes.CDLL("libm.so.6"),
    "its own limits": lambda: resource.getrlimit(resource.RLIMIT_NOFILE),
    "abort": lambda: call(number["tgkill"], os.getpid(), threading.get_native_id(), 0),
}}
from agent.host.syscalls import ARCHITECTURES
import platform
number = ARCHITECTURES[platform.machine()].numbers
held = confine(Needs(data_bytes=256 << 20, devices=False))
done = {{}}
for name, attempt in tries.items():
    try:
        attempt()
        done[name] = True
    except (OSError, MemoryError):
        done[name] = False
print(json.dumps([held, done]))
"""
BY_LANDLOCK: Final = {
    "write a file", "append to a file", "truncate a file", "remove a file", "read a credential",
    "list a folder", "read the parent's memory",
}  # fmt: skip
BY_SECCOMP: Final = {
    "fork", "execute", "signal the parent", "signal a thread of the parent", "limit the parent",
    "trace the parent", "a new namespace",
}  # fmt: skip
BY_LIMITS: Final = {"grow an open file", "300 MB"}
FREE: Final = {"a thread", "a host's address", "a connection", "a library", "its own limits", "abort"}


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], dict[str, bool]]:
    """What holds, and what was possible."""
    import socket  # noqa: PLC0415 - a listener for one fixture

    folder = tmp_path_factory.mktemp("outside")
    for name in ("kept", "secret"):
        (folder / name).write_text("s3cret")
    script = folder / "hostile.py"
    with socket.create_server(("127.0.0.1", 0)) as server:
        script.write_text(PROGRAM.format(folder=str(folder), port=server.getsockname()[1]))
        done = ask_child(script, b"", 120.0)
    assert done.returncode == 0, done.stderr
    assert (folder / "kept").read_text() == "s3cret"
    held, possible = json.loads(done.stdout)
    return held, possible


@pytest.mark.slow
@pytest.mark.parametrize(
    ("means", "names"), [("landlock", BY_LANDLOCK), ("seccomp", BY_SECCOMP), ("rlimits", BY_LIMITS)]
)
def test_what_a_decoder_does_not_need_is_refused(
    tried: tuple[list[str], dict[str, bool]], means: str, names: set[str]
) -> None:
    held, possible = tried
    if not any(word.startswith(means) for word in held):
        pytest.skip(f"this kernel has no {means}; it has {', '.join(held)}")
    assert {name for name in names if possible[name]} == set()


@pytest.mark.slow
def test_what_a_decoder_needs_goes_on(tried: tuple[list[str], dict[str, bool]]) -> None:
    assert {name for name in FREE if not tried[1][name]} == set()
    assert set(tried[1]) == BY_LANDLOCK | BY_SECCOMP | BY_LIMITS | FREE


@pytest.mark.slow
def test_how_far_it_goes_is_told() -> None:
    assert try_confinement().startswith("no_new_privs, rlimits")


@pytest.mark.parametrize("machine", list(ARCHITECTURES))
def test_the_numbers_are_those_of_the_systems_own_table(machine: str) -> None:
    try:
        library: Any = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        pytest.skip("libseccomp is not installed, which knows every architecture's numbers")
    architecture = ARCHITECTURES[machine]
    number_of = library.seccomp_syscall_resolve_name_arch
    theirs = {
        name: number_of(ctypes.c_uint(architecture.audit), name.encode()) for name in architecture.numbers
    }
    assert theirs == architecture.numbers
