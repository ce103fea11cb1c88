#!/usr/bin/env python3
"""Tries what the unit forbids, and prints per directive whether it was refused.

``booted_root.sh`` runs it twice: bare, as the same user, and inside the unit's sandbox. A directive is seen
to work where the second run is refused what the first was allowed.
"""

from __future__ import annotations

import ctypes
import os
import resource
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

LIBC: Final = ctypes.CDLL(None, use_errno=True)
CLONE_NEWUSER: Final = 0x10000000
ADDR_NO_RANDOMIZE: Final = 0x0040000
KEYCTL: Final = {"x86_64": 250, "aarch64": 219}
KEYCTL_DESCRIBE: Final = 6
SESSION_KEYRING: Final = -3
PUBLIC: Final = "/var/tmp"  # only its being private is looked at
ELSEWHERE: Final = ("192.0.2.1", 1883)
"""An address of the container that is neither loopback nor the broker of the configuration."""


def call(result: int) -> None:
    """Raise what a C function left in errno."""
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")


def is_read_only(path: str) -> bool:
    """Whether it is mounted so; permissions alone would hide that from a user without rights."""
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def is_mounted(path: str) -> bool:
    """Whether something lies over it, from the same file system or another one."""
    return path in (line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())


def status(key: str) -> str:
    """A line of /proc/self/status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(line.split(":", 1)[1].strip() for line in lines if line.startswith(f"{key}:"))


def is_limited(file: str) -> bool:
    """Whether the kernel holds this process's control group to a limit."""
    group = Path("/proc/self/cgroup").read_text().splitlines()[-1].rpartition(":")[2]
    path = Path("/sys/fs/cgroup" + group) / file
    return path.exists() and path.read_text().strip() != "max"


def has_own_keyring() -> bool:
    """Whether the session keyring is one made for this process, and not its user's."""
    text = ctypes.create_string_buffer(256)
    call(LIBC.syscall(KEYCTL[os.uname().machine], KEYCTL_DESCRIBE, SESSION_KEYRING, text, len(text)))
    return text.value.endswith(b";_ses")


def make_setuid_file() -> None:
    """In the state directory, the only place where the unit may write."""
    path = Path(os.environ.get("STATE_DIRECTORY", PUBLIC)) / "emotion-agent-probe"
    path.write_text("")
    try:
        path.chmod(0o4700)
    finally:
        path.unlink()


def connect(address: tuple[str, int]) -> None:
    """Open a connection and close it."""
    with socket.create_connection(address, timeout=3.0):
        pass


ATTEMPTS: Final[dict[str, Callable[[], object]]] = {
    "IPAddressDeny": lambda: connect(ELSEWHERE),
    "RestrictAddressFamilies": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
    "DevicePolicy": lambda: os.close(os.open("/dev/net/tun", os.O_RDWR)),
    "RestrictNamespaces": lambda: call(LIBC.unshare(CLONE_NEWUSER)),
    "RestrictSUIDSGID": make_setuid_file,
    "LockPersonality": lambda: call(LIBC.personality(ADDR_NO_RANDOMIZE)),
    "SystemCallFilter": lambda: os.nice(1),
    "ProtectProc": lambda: Path("/proc/1").stat(),
    "InaccessiblePaths": lambda: list(Path("/srv").iterdir()),
}
"""By directive, something that raises OSError where it is refused."""

FACTS: Final[dict[str, Callable[[], bool]]] = {
    "ProtectSystem": lambda: is_read_only("/etc") and is_read_only("/usr") and is_read_only("/var/log"),
    "ProtectHome": lambda: is_mounted("/root") and is_mounted("/home"),
    "ProtectControlGroups": lambda: is_read_only("/sys/fs/cgroup"),
    "ProtectKernelTunables": lambda: is_read_only("/proc/sys"),
    "PrivateTmp": lambda: is_mounted(PUBLIC),
    "PrivateUsers": lambda: "4294967295" not in Path("/proc/self/uid_map").read_text(),
    "NoNewPrivileges": lambda: status("NoNewPrivs") == "1",
    "CapabilityBoundingSet": lambda: int(status("CapBnd"), 16) == 0,
    "KeyringMode": has_own_keyring,
    "LimitCORE": lambda: resource.getrlimit(resource.RLIMIT_CORE) == (0, 0),
    "MemoryMax": lambda: is_limited("memory.max"),
    "MemorySwapMax": lambda: is_limited("memory.swap.max"),
    "TasksMax": lambda: is_limited("pids.max"),
}
"""By directive, whether the process finds itself restricted."""


def is_refused(attempt: Callable[[], object]) -> bool:
    """Try it."""
    try:
        attempt()
    except OSError:
        return True
    return False


def main() -> None:
    """Print ``DIRECTIVE refused`` or ``DIRECTIVE allowed``, sorted."""
    connect(("127.0.0.1", ELSEWHERE[1]))  # or the refusal elsewhere would mean nothing
    found = {name: fact() for name, fact in FACTS.items()}
    found |= {name: is_refused(attempt) for name, attempt in ATTEMPTS.items()}
    for name, held in sorted(found.items()):
        sys.stdout.write(f"{name} {'refused' if held else 'allowed'}\n")


if __name__ == "__main__":
    main()
