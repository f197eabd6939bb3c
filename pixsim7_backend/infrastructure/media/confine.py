"""Takes away from a media process what it does not need. Linux does most; elsewhere, limits only.

No network: an empty network namespace where the kernel lets us make one, else Landlock's TCP rule.
No files: Landlock, apart from descriptors that are open already and one output directory.
"""

import contextlib
import ctypes
import os
import resource
import struct
import sys
from pathlib import Path

_CLONE_NEWUSER, _CLONE_NEWNET, _CLONE_NEWIPC = 0x10000000, 0x40000000, 0x08000000
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_SIGKILL = 9
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446  # on every architecture
_RULE_PATH_BENEATH = 1

# Landlock's rights in the order of their bits, by the ABI version that brought them.
_FS_RIGHTS_BY_ABI = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_WRITE_FILE, _READ_FILE, _REMOVE_FILE, _MAKE_REG, _TRUNCATE = (
    1 << 1,
    1 << 2,
    1 << 5,
    1 << 8,
    1 << 14,
)
_OUTPUT_RIGHTS = _WRITE_FILE | _READ_FILE | _REMOVE_FILE | _MAKE_REG | _TRUNCATE


def _libc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def leave_the_network() -> bool:
    """For the waiting helper, before it has threads: its children inherit all of it."""
    libc = _libc()
    if libc is None:
        return False
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWIPC) != 0:
        return False
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {uid} 1"),
        ("gid_map", f"{gid} {gid} 1"),
    ):
        with contextlib.suppress(OSError):
            Path(f"/proc/self/{name}").write_text(text)
    return True


def die_with_parent() -> None:
    """A job must not outlive the helper that started it."""
    libc = _libc()
    if libc is not None:
        libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
        libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def limit(*, memory: int, cpu_s: int, file_size: int, processes: int | None) -> None:
    """Hard limits of this process; `processes` only where they count a namespace, not a user."""
    wanted = [
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, file_size),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
    ]
    if processes is not None:
        wanted.append((resource.RLIMIT_NPROC, processes))
    for kind, value in wanted:
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with contextlib.suppress(ValueError, OSError):  # macOS refuses RLIMIT_AS
            resource.setrlimit(kind, (value, value))
    with contextlib.suppress(OSError):
        os.nice(10)


def landlock_abi() -> int:
    """The kernel's Landlock version; 0 when there is none."""
    libc = _libc()
    return max(0, libc.syscall(_LANDLOCK_CREATE, None, 0, 1)) if libc is not None else 0


def close_the_files(output_dir: str | None) -> bool:
    """No path can be opened from here on, apart from files directly for the output directory."""
    libc, abi = _libc(), landlock_abi()
    if libc is None or abi == 0:
        return False
    rights = (1 << _FS_RIGHTS_BY_ABI.get(abi, 16)) - 1
    tcp = 0b11 if abi >= 4 else 0
    scopes = 0b11 if abi >= 6 else 0  # abstract sockets and signals to others
    attributes = struct.pack("=QQQ", rights, tcp, scopes)
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    ruleset = libc.syscall(_LANDLOCK_CREATE, attributes, size, 0)
    if ruleset < 0:
        return False
    try:
        if output_dir is not None:
            directory = os.open(output_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            rule = struct.pack("=Qi", _OUTPUT_RIGHTS & rights, directory)
            libc.syscall(_LANDLOCK_ADD, ruleset, _RULE_PATH_BENEATH, rule, 0)
            os.close(directory)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        return bool(libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0) == 0)
    finally:
        os.close(ruleset)
