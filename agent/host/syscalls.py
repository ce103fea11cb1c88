"""Numbers of the system calls that :mod:`agent.host.sandbox` closes, by the kernel's own tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_TABLE: Final = """
                    x86_64  aarch64  armv7l
ptrace              101     117      26
process_vm_readv    310     270      376
process_vm_writev   311     271      377
process_madvise     440     440      440
pidfd_open          434     434      434
pidfd_getfd         438     438      438
pidfd_send_signal   424     424      424
kcmp                312     272      378
kill                62      129      37
tkill               200     130      238
rt_sigqueueinfo     129     138      178
rt_tgsigqueueinfo   297     240      363
execve              59      221      11
execveat            322     281      387
fork                57      -        2
vfork               58      -        190
mount               165     40       21
umount2             166     39       52
pivot_root          155     41       218
chroot              161     51       61
open_tree           428     428      428
move_mount          429     429      429
fsopen              430     430      430
fsconfig            431     431      431
fsmount             432     432      432
fspick              433     433      433
mount_setattr       442     442      442
unshare             272     97       337
setns               308     268      375
bpf                 321     280      386
perf_event_open     298     241      364
userfaultfd         323     282      388
io_uring_setup      425     425      425
keyctl              250     219      311
add_key             248     217      309
request_key         249     218      310
init_module         175     105      128
finit_module        313     273      379
delete_module       176     106      129
kexec_load          246     104      347
kexec_file_load     320     294      401
swapon              167     224      87
swapoff             168     225      115
reboot              169     142      88
acct                163     89       51
quotactl            179     60       131
settimeofday        164     170      79
clock_settime       227     112      262
adjtimex            159     171      124
sethostname         170     161      74
setdomainname       171     162      121
syslog              103     116      103
open_by_handle_at   304     265      371
name_to_handle_at   303     264      370
iopl                172     -        -
ioperm              173     -        -
clone               56      220      120
clone3              435     435      435
tgkill              234     131      268
prlimit64           302     261      369
seccomp             317     277      383
"""
_NEEDED: Final = {"clone", "clone3", "tgkill", "prlimit64", "seccomp"}
"""Looked into, not closed."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """One table of system calls."""

    audit: int
    """AUDIT_ARCH_… of linux/audit.h."""
    numbers: Mapping[str, int]


_HEAD, *_ROWS = [line.split() for line in _TABLE.strip().splitlines()]
_AUDIT: Final = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7, "armv7l": 0x4000_0028}
ARCHITECTURES: Final[Mapping[str, Architecture]] = {
    machine: Architecture(_AUDIT[machine], {row[0]: int(row[at]) for row in _ROWS if row[at] != "-"})
    for at, machine in enumerate(_HEAD, start=1)
}
"""By ``uname -m``."""
NEEDLESS: Final = tuple(row[0] for row in _ROWS if row[0] not in _NEEDED)
"""What no decoder needs."""
