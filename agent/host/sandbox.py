"""What a process that decodes hostile bytes gives up: it computes, talks to camera and agent, and ends.

By the kernel's own means, each of which holds without the others: no_new_privs, resource limits, Landlock
(landlock(7), linux/landlock.h) and seccomp (seccomp(2), linux/seccomp.h). None needs a privilege. What a
kernel does not have is left out, and :func:`confine` says how far it went.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import struct
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.host.child import ask_child
from agent.host.syscalls import ARCHITECTURES, NEEDLESS

READABLE: Final = (
    "/usr", "/lib", "/lib32", "/lib64", "/opt", "/proc", "/sys", "/run/udev", "/run/systemd/resolve",
    "/run/resolvconf", "/run/NetworkManager", "/var/nvidia", "/etc/alternatives", "/etc/ca-certificates",
    "/etc/crypto-policies", "/etc/gai.conf", "/etc/host.conf", "/etc/hosts", "/etc/ld.so.cache",
    "/etc/localtime", "/etc/nsswitch.conf", "/etc/pki", "/etc/resolv.conf", "/etc/services", "/etc/ssl",
    "/dev/null", "/dev/random", "/dev/urandom", "/dev/zero",
)  # fmt: skip
"""Libraries and how to find a host. No configuration, state or credential lies in any of them."""

_PR_SET_NO_NEW_PRIVS: Final = 38
_LANDLOCK: Final = (444, 445, 446)
"""landlock_create_ruleset, landlock_add_rule, landlock_restrict_self: the same numbers everywhere."""
_FIRST_WITH_SCOPES: Final = 6
_FS_RIGHTS: Final = {1: 13, 2: 14, 3: 15, 4: 15}
"""How many rights over files a Landlock ABI knows; 16 from ABI 5 on."""
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _IOCTL = 1, 2, 4, 8, 1 << 15
_SCOPES: Final = 3
"""No abstract socket of, and no signal to, processes outside."""

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
"""Instructions of classic BPF, from linux/bpf_common.h."""
_ALLOW: Final = 0x7FFF_0000
_FAIL: Final = 0x0005_0000
_CLONE_THREAD: Final = 0x0001_0000
_SECCOMP_SET_MODE_FILTER, _TSYNC = 1, 1


_TRY_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a process still needs."""

    data_bytes: int | None
    """Largest private memory, by RLIMIT_DATA; None for no limit."""
    devices: bool
    """Whether it opens device nodes."""
    reads: tuple[str, ...] | None = ()
    """Files and folders beside :data:`READABLE`; None: reading, programs and memory files stay free."""


def confine(needs: Needs) -> tuple[str, ...]:
    """Give up all else, for good; to be called while the process has a single thread.

    Returns:
        What holds from now on.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    held = []
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
        held.append("no_new_privs")
    steps: dict[str, Callable[[], str]] = {
        "rlimits": lambda: _limit(needs),
        "landlock": lambda: _close_files(libc, needs),
        "seccomp": lambda: _close_calls(libc, programs=needs.reads is None),
    }
    for name, step in steps.items():
        with suppress(OSError, ValueError):
            held.append(f"{name}{step()}")
    return tuple(held)


def _limit(needs: Needs) -> str:
    limits = {resource.RLIMIT_CORE: 0}
    if needs.reads is not None:
        limits[resource.RLIMIT_FSIZE] = 0
    if needs.data_bytes is not None:
        limits[resource.RLIMIT_DATA] = needs.data_bytes
    for kind, most in limits.items():
        hard = resource.getrlimit(kind)[1]
        lowered = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (lowered, lowered))
    return ""


def _close_files(libc: ctypes.CDLL, needs: Needs) -> str:
    create, add_rule, restrict = _LANDLOCK
    abi = _checked(libc.syscall(create, None, 0, 1))
    every = (1 << _FS_RIGHTS.get(abi, 16)) - 1
    reading = _EXECUTE | _READ_FILE | _READ_DIR
    handled = every if needs.reads is not None else every & ~reading
    # Older kernels know the first field of the structure only.
    wanted = struct.pack("=QQQ", handled, 0, _SCOPES)[: 24 if abi >= _FIRST_WITH_SCOPES else 8]
    rules = _checked(libc.syscall(create, wanted, ctypes.c_size_t(len(wanted)), 0))
    try:
        program = (sys.prefix, sys.base_prefix, str(Path(__file__).parents[1]))
        rights = dict.fromkeys((*READABLE, *program, *(needs.reads or ())), _READ_FILE | _READ_DIR)
        rights["/dev/null"] |= _WRITE_FILE
        if needs.devices:
            rights["/dev"] = _READ_FILE | _READ_DIR | _WRITE_FILE | _IOCTL
        for path, allowed in rights.items():
            with suppress(OSError):
                _add_rule(libc, add_rule, rules, path, allowed & handled)
        _checked(libc.syscall(restrict, rules, 0))
    finally:
        os.close(rules)
    return f" abi {abi}"


def _add_rule(libc: ctypes.CDLL, add_rule: int, rules: int, path: str, allowed: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not Path(path).is_dir():
            allowed &= ~_READ_DIR
        if allowed:
            beneath = struct.pack("=Qi", allowed, descriptor)
            _checked(libc.syscall(add_rule, rules, 1, beneath, 0))
    finally:
        os.close(descriptor)


def _close_calls(libc: ctypes.CDLL, *, programs: bool) -> str:
    machine = platform.machine()
    # A 32-bit interpreter has 32-bit numbers under whatever kernel.
    is_32_bit_arm = machine[:3] in {"arm", "aar"} and struct.calcsize("P") == 4  # noqa: PLR2004 - bytes
    architecture = ARCHITECTURES.get("armv7l" if is_32_bit_arm else machine)
    if architecture is None:
        raise OSError(errno.ENOSYS, f"no system call numbers for {machine}")
    closed = [call for call in NEEDLESS if not (programs and call.startswith(("execve", "fork", "vfork")))]
    number = architecture.numbers
    code = [
        *_unless_equal(4, architecture.audit, _RETURN_FAIL),
        (_LOAD, 0, 0, 0),
        # The x32 table of an x86_64 kernel has the same calls again.
        (_AT_LEAST, 0, 1, 0x4000_0000),
        _RETURN_FAIL,
    ]
    for call in closed:
        if call in number:
            code += [(_EQUAL, 0, 1, number[call]), _RETURN_FAIL]
    if not programs:
        # Threads, but no processes; of clone3 the filter can't see the flags, and glibc then takes clone.
        code += [(_EQUAL, 0, 1, number["clone3"]), (_RETURN, 0, 0, _FAIL | errno.ENOSYS)]
        code += [(_EQUAL, 0, 4, number["clone"]), (_LOAD, 0, 0, 16), (_ANY_BIT, 1, 0, _CLONE_THREAD)]
        code += [_RETURN_FAIL, (_RETURN, 0, 0, _ALLOW)]
    # To itself only: abort() is a signal, too.
    for call, own in (("tgkill", os.getpid()), ("prlimit64", 0)):
        code += [(_EQUAL, 0, 4, number[call]), (_LOAD, 0, 0, 16), (_EQUAL, 1, 0, own), _RETURN_FAIL]
        code += [(_RETURN, 0, 0, _ALLOW)]
    code.append((_RETURN, 0, 0, _ALLOW))
    program = b"".join(struct.pack("=HBBI", *instruction) for instruction in code)
    kept = ctypes.create_string_buffer(program)
    header = struct.pack("@HP", len(code), ctypes.addressof(kept))
    _checked(libc.syscall(number["seccomp"], _SECCOMP_SET_MODE_FILTER, _TSYNC, header))
    return ""


_RETURN_FAIL: Final = (_RETURN, 0, 0, _FAIL | errno.EPERM)


def _unless_equal(
    offset: int, value: int, otherwise: tuple[int, int, int, int]
) -> Iterable[tuple[int, int, int, int]]:
    return ((_LOAD, 0, 0, offset), (_EQUAL, 1, 0, value), otherwise)


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def prefer_as_victim() -> None:
    """When memory runs out all the same, the kernel is to end this process and not the agent."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def try_confinement() -> str:
    """How far :func:`confine` goes on this machine, tried in a process of its own."""
    try:
        held = ask_child("agent.host.sandbox", b"", _TRY_S).stdout.decode().strip()
    except (OSError, subprocess.TimeoutExpired):
        held = ""
    return held or "nothing: this system lets no process give up rights"


if __name__ == "__main__":
    sys.stdout.write(", ".join(confine(Needs(data_bytes=256 << 20, devices=False))))
