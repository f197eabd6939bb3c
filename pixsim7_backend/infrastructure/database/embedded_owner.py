"""Which system user runs the embedded PostgreSQL, and whether that user can reach its files.

PostgreSQL refuses to run as root. When we are root it runs as the owner of the existing cluster,
else as the system user `pgserver` (created when missing), else as `nobody`.
"""

import os
import pwd
import shutil
import stat
import struct
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SYSTEM_USER = "pgserver"

_ACL = "system.posix_acl_access"
_USER_OBJ, _USER, _GROUP_OBJ, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_NO_ID = 0xFFFFFFFF


class EmbeddedError(Exception):
    """The embedded PostgreSQL cannot run; the message says what to do about it."""


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The user id that the server runs under."""

    name: str
    uid: int
    gid: int


def server_user(cluster: Path) -> ServerUser | None:
    """The user to run the server as; None means: as ourselves, who are not root."""
    owner = cluster.stat().st_uid if cluster.exists() else None
    me = os.geteuid()
    if me != 0:
        if owner not in (None, me):
            raise EmbeddedError(
                f"{cluster} belongs to user id {owner}: run pixsim7 as that user or as root"
            )
        return None
    if owner:
        return ServerUser(_name_of(owner), owner, cluster.stat().st_gid)
    try:
        entry = _find_or_create()
    except (OSError, subprocess.SubprocessError, KeyError):
        entry = pwd.getpwnam("nobody")
    return ServerUser(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _find_or_create() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        pass
    for command in (
        "useradd --system --user-group --no-create-home --shell /usr/sbin/nologin",
        "adduser -S -D -H -s /sbin/nologin",
    ):
        words = [*command.split(), SYSTEM_USER]
        if shutil.which(words[0]):
            subprocess.run(words, check=True, capture_output=True, timeout=30)  # noqa: S603
            break
    return pwd.getpwnam(SYSTEM_USER)


def let_reach(user: ServerUser, paths: Iterable[Path]) -> list[Path]:
    """Make every directory above and at `paths` searchable for `user`; return those changed.

    The change is the smallest there is: an access-control entry with only `x`, for only this
    user. Raises `EmbeddedError` where the file system has no access-control lists, or when the
    user is the shared `nobody`, which must not be let into private directories.
    """
    changed = []
    for directory in _directories(paths):
        if _can_search(directory, user):
            continue
        remedy = (
            f"PostgreSQL runs as the user {user.name!r}, who cannot enter {directory}. Put the "
            f"data directory elsewhere (as root: /var/lib/pixsim7), or run: chmod o+x {directory}"
        )
        if user.name == "nobody":
            raise EmbeddedError(remedy)
        try:
            _grant_search(directory, user.uid)
        except (OSError, AttributeError) as error:
            raise EmbeddedError(remedy) from error
        changed.append(directory)
    return changed


def _directories(paths: Iterable[Path]) -> list[Path]:
    found: dict[Path, None] = {}
    for path in paths:
        for spelling in (path.absolute(), path.resolve()):
            for directory in [*reversed(spelling.parents), spelling]:
                found[directory] = None
    return list(found)


def _can_search(directory: Path, user: ServerUser) -> bool:
    """Judged by mode and access-control list, as the kernel would."""
    info = directory.stat()
    if info.st_uid == user.uid:
        return bool(info.st_mode & stat.S_IXUSR)
    entries = _read_acl(directory)
    mask = next((perm for tag, perm, _ in entries if tag == _MASK), 0o7)
    for tag, perm, identity in entries:
        if tag == _USER and identity == user.uid:
            return bool(perm & mask & 1)
    if info.st_gid == user.gid:
        return bool(info.st_mode & stat.S_IXGRP)
    return bool(info.st_mode & stat.S_IXOTH)


def _read_acl(directory: Path) -> list[tuple[int, int, int]]:
    try:
        raw = os.getxattr(directory, _ACL)
    except (OSError, AttributeError):
        return []
    return [struct.unpack_from("<HHI", raw, at) for at in range(4, len(raw), 8)]


def _grant_search(directory: Path, uid: int) -> None:
    mode = directory.stat().st_mode
    entries = _read_acl(directory) or [
        (_USER_OBJ, mode >> 6 & 7, _NO_ID),
        (_GROUP_OBJ, mode >> 3 & 7, _NO_ID),
        (_OTHER, mode & 7, _NO_ID),
    ]
    mask = next((perm for tag, perm, _ in entries if tag == _MASK), mode >> 3 & 7)
    kept = [
        entry for entry in entries if entry[0] != _MASK and (entry[0], entry[2]) != (_USER, uid)
    ]
    # The mask caps the group too: widening it to `x` must not wake up group rights it hid.
    kept = [
        (tag, perm & mask if tag in (_GROUP_OBJ, _GROUP, _USER) else perm, identity)
        for tag, perm, identity in kept
    ]
    kept += [(_USER, 1, uid), (_MASK, mask | 1, _NO_ID)]
    body = b"".join(struct.pack("<HHI", *entry) for entry in sorted(kept, key=_acl_order))
    os.setxattr(directory, _ACL, struct.pack("<I", 2) + body)


def _acl_order(entry: tuple[int, int, int]) -> tuple[int, int]:
    return entry[0], entry[2]
