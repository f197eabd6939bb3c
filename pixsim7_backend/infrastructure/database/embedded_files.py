"""What the embedded PostgreSQL keeps beside its cluster: settings, passwords, locks, socket."""

import errno
import fcntl
import json
import os
import secrets
import socket
import stat
import struct
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from pixsim7_backend.infrastructure.database.embedded_owner import EmbeddedError, ServerUser

SOCKET_NAME = ".s.PGSQL.5432"
_MAX_SOCKET_PATH = 100
_LOG_LIMIT = 8 * 1024 * 1024
_LOG_KEPT = 1024 * 1024
_SSL_REQUEST = struct.pack(">II", 8, 80877103)

_COMMON = """
listen_addresses = ''
unix_socket_permissions = 0700
allow_alter_system = off
password_encryption = 'scram-sha-256'
max_connections = 200
timezone = 'UTC'
log_timezone = 'UTC'
log_checkpoints = off
log_error_verbosity = terse
log_parameter_max_length_on_error = 0
jit = off
"""
_DURABLE = """
fsync = on
synchronous_commit = on
full_page_writes = on
shared_buffers = '128MB'
checkpoint_timeout = '15min'
"""
_DISPOSABLE = """
fsync = off
synchronous_commit = off
full_page_writes = off
shared_buffers = '48MB'
wal_level = minimal
max_wal_senders = 0
"""


@dataclass(frozen=True, slots=True)
class Passwords:
    """Of the superuser `postgres` and of the application role; 256 bits each."""

    superuser: str = field(repr=False)
    application: str = field(repr=False)


class FileLock:
    """An advisory lock on a file that the kernel drops when its last holder dies."""

    def __init__(self, path: Path) -> None:
        # Not closed on exec by choice of the one caller that hands it to the server.
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def acquire(self, *, shared: bool = False) -> bool:
        """Take or convert the lock without waiting; False when another holder forbids it."""
        try:
            fcntl.flock(self.fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                return False
            raise
        return True

    def acquire_within(self, seconds: float) -> None:
        """Wait for the exclusive lock; raises EmbeddedError when the time is up."""
        deadline = time.monotonic() + seconds
        while not self.acquire():
            if time.monotonic() > deadline:
                raise EmbeddedError("another process is busy starting or stopping PostgreSQL")
            time.sleep(0.01)

    def close(self) -> None:
        """Give this handle up; a copy inherited by another process keeps the lock."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def write_private(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace `path` whole and durably; nobody sees a half-written or wider-open file."""
    staged = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    fd = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(text)
        os.fchmod(fd, mode)
        file.flush()
        os.fsync(fd)
    staged.replace(path)


def load_passwords(path: Path, *, cluster: Path) -> Passwords:
    """Read the passwords, or make them when there is no cluster yet that needs the old ones."""
    if path.exists():
        return Passwords(**json.loads(path.read_text()))
    if cluster.exists():
        raise EmbeddedError(f"{path} is missing: restore it, it holds the database's passwords")
    made = Passwords(secrets.token_urlsafe(32), secrets.token_urlsafe(32))
    text = json.dumps({"superuser": made.superuser, "application": made.application})
    write_private(path, text)
    return made


def write_settings(data_dir: Path, *, durable: bool, socket_dir: Path) -> Path:
    """Write postgresql.conf and pg_hba.conf (outside the cluster, so the server cannot)."""
    hba = data_dir / "pg_hba.conf"
    write_private(hba, "local all all scram-sha-256\n", 0o644)
    lines = [
        f"data_directory = {_quoted(data_dir / 'cluster')}",
        f"hba_file = {_quoted(hba)}",
        f"ident_file = {_quoted(data_dir / 'cluster' / 'pg_ident.conf')}",
        f"unix_socket_directories = {_quoted(socket_dir)}",
    ]
    config = data_dir / "postgresql.conf"
    body = "\n".join(lines) + _COMMON + (_DURABLE if durable else _DISPOSABLE)
    write_private(config, body, 0o644)
    return config


def _quoted(path: Path) -> str:
    text = str(path)
    if any(ord(char) < 32 for char in text):
        raise EmbeddedError("the data directory's path contains control characters")
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def socket_directory(data_dir: Path, user: ServerUser | None) -> Path:
    """A directory (0700) that only the server's user enters, with a path short enough.

    Normally `data_dir/run`; when that is too long for a Unix socket, a random directory under the
    runtime or temporary directory, remembered in `data_dir/socket_dir`.
    """
    owner = user.uid if user else os.geteuid()
    known = known_socket_directory(data_dir)
    if known == data_dir / "run":
        known.mkdir(mode=0o700, exist_ok=True)
        _own(known, user)
        return known
    if known is not None and _is_private_directory(known, owner):
        return known
    made = Path(tempfile.mkdtemp(prefix="pixsim7-", dir=_runtime_directory(user)))
    _own(made, user)
    write_private(data_dir / "socket_dir", str(made))
    return made


def known_socket_directory(data_dir: Path) -> Path | None:
    """Where the server's socket is, if that has been settled."""
    usual = data_dir / "run"
    if len(os.fsencode(usual / SOCKET_NAME)) <= _MAX_SOCKET_PATH and "," not in str(usual):
        return usual
    note = data_dir / "socket_dir"
    return Path(note.read_text()) if note.exists() else None


def _runtime_directory(user: ServerUser | None) -> str:
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if user is None and 0 < len(runtime) <= 60 and os.access(runtime, os.W_OK | os.X_OK):
        return runtime
    temporary = tempfile.gettempdir()
    return temporary if len(temporary) <= 60 else "/tmp"  # noqa: S108 - mkdtemp inside is private


def _own(directory: Path, user: ServerUser | None) -> None:
    directory.chmod(0o700)
    if user is not None:
        os.chown(directory, user.uid, user.gid)


def _is_private_directory(path: Path, owner: int) -> bool:
    try:
        info = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(info.st_mode) and info.st_uid == owner and not info.st_mode & 0o077


def open_log(path: Path) -> BinaryIO:
    """Open the server's log for appending, cut to its last megabyte when it grew too large.

    Safe beside a running server: it appends, so it goes on at the new end.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    log = os.fdopen(fd, "ab")
    size = os.fstat(fd).st_size
    if size > _LOG_LIMIT:
        kept = os.pread(fd, _LOG_KEPT, size - _LOG_KEPT)
        os.ftruncate(fd, 0)
        os.write(fd, kept[kept.find(b"\n") + 1 :])
    return log


def listening_pid(socket_path: Path) -> int | None:
    """The server that answers there: None when none does, 0 when its id is not visible to us."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2.0)
        try:
            probe.connect(str(socket_path))
            if sys.platform == "darwin":
                (pid,) = struct.unpack("i", probe.getsockopt(0, 2, 4))
            else:
                pid, _, _ = struct.unpack(
                    "3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
                )
            # A dead server's socket may still take a connection, but nobody answers on it.
            probe.sendall(_SSL_REQUEST)
            is_alive = probe.recv(1) != b""
        except OSError:
            return None
    return int(pid) if is_alive else None
