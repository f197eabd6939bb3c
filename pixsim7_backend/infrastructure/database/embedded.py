"""Starts, shares and stops the private PostgreSQL that PixSim7 brings along.

Three kernel locks say everything that matters, so no process id is ever trusted:
`start.lock` is held while somebody starts or stops the server; `users.lock` is held, shared, by
every process that uses it; `server.lock` is inherited by the server's own processes, so it is free
exactly when none of them is left, however they died.
"""

import logging
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from pixsim7_backend.infrastructure.database.embedded_cluster import (
    binaries,
    check_version,
    create_cluster,
    create_database,
    environment,
    identity,
)
from pixsim7_backend.infrastructure.database.embedded_files import (
    SOCKET_NAME,
    FileLock,
    Passwords,
    known_socket_directory,
    listening_pid,
    load_passwords,
    open_log,
    socket_directory,
    write_private,
    write_settings,
)
from pixsim7_backend.infrastructure.database.embedded_owner import (
    EmbeddedError,
    ServerUser,
    let_reach,
    server_user,
)

__all__ = ["EmbeddedError", "EmbeddedPostgres", "EmbeddedServer", "temporary_server"]

logger = logging.getLogger(__name__)

APPLICATION = "pixsim7"
_START_LIMIT_S = 300.0
_STOP_LIMIT_S = 60.0

_children: set[int] = set()


@dataclass(frozen=True, slots=True)
class EmbeddedServer:
    """How to reach the running server. The URLs hold passwords and stay out of `repr`."""

    url: str = field(repr=False)
    """The database `pixsim7` as its owner, the role `pixsim7`, who is no superuser."""
    data_dir: Path
    admin_url: str = field(repr=False)
    """The database `postgres` as the superuser: for backups, and for tests that make databases."""


class EmbeddedPostgres:
    """This process's share in the server of one data directory. Blocking; not thread-safe."""

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        """`durable=False` trades crash safety for speed and is for throw-away data only."""
        self.data_dir = data_dir.expanduser().absolute()
        self._durable = durable
        self._cluster = self.data_dir / "cluster"
        self._users: FileLock | None = None
        self._child: int | None = None

    def start(self) -> EmbeddedServer:
        """Start the server, or adopt the one that runs; returns when it answers.

        Creates the cluster at first use. Waits for crash recovery and for the leftovers of a
        killed server, up to five minutes. Raises `EmbeddedError` with the way out.
        """
        self._prepare_directory()
        with self._starting():
            user = server_user(self._cluster)
            passwords = load_passwords(self.data_dir / "passwords.json", cluster=self._cluster)
            socket_dir = socket_directory(self.data_dir, user)
            server = self._describe(socket_dir, passwords)
            users = self._users or FileLock(self.data_dir / "users.lock")
            try:
                # Only a process in stop() holds it exclusively, and only inside start.lock.
                users.acquire(shared=True)
                self._ensure_running(user, socket_dir, passwords)
            except BaseException:
                if self._users is None:
                    users.close()
                raise
            self._users = users
        return server

    def stop(self) -> None:
        """Give up this process's share; the last one out shuts the server down cleanly."""
        if self._users is None:
            return
        with self._starting():
            users, self._users = self._users, None
            try:
                if users.acquire():
                    self._shut_down()
            finally:
                users.close()
                _reap()

    def is_running(self) -> bool:
        """Whether the server accepts connections, whoever started it."""
        return self._listening_pid() is not None

    def trim_log(self) -> None:
        """Cut an overgrown log to its last megabyte. Call it now and then from upkeep."""
        open_log(self.data_dir / "postgres.log").close()

    @contextmanager
    def _starting(self) -> Iterator[None]:
        lock = FileLock(self.data_dir / "start.lock")
        try:
            lock.acquire_within(_START_LIMIT_S)
            yield
        finally:
            lock.close()

    def _prepare_directory(self) -> None:
        try:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.data_dir.stat().st_uid == os.geteuid():
                self.data_dir.chmod(0o711 if os.geteuid() == 0 else 0o700)
        except OSError as error:
            raise EmbeddedError(f"cannot use {self.data_dir}: {error.strerror}") from error

    def _describe(self, socket_dir: Path, passwords: Passwords) -> EmbeddedServer:
        tail = f"?host={quote(str(socket_dir), safe='/')}"
        return EmbeddedServer(
            url=f"postgresql://{APPLICATION}:{passwords.application}@/{APPLICATION}{tail}",
            data_dir=self.data_dir,
            admin_url=f"postgresql://postgres:{passwords.superuser}@/postgres{tail}",
        )

    def _listening_pid(self) -> int | None:
        directory = known_socket_directory(self.data_dir)
        return listening_pid(directory / SOCKET_NAME) if directory else None

    def _ensure_running(
        self, user: ServerUser | None, socket_dir: Path, passwords: Passwords
    ) -> None:
        deadline = time.monotonic() + _START_LIMIT_S
        pause = 0.005
        self._child = None
        _reap()
        while not self._is_ready(socket_dir):
            lock = FileLock(self.data_dir / "server.lock")
            try:
                if lock.acquire():
                    self._spawn(lock, user, socket_dir, passwords)
                    pause = 0.005
            finally:
                lock.close()
            if time.monotonic() > deadline:
                raise EmbeddedError(f"PostgreSQL did not get ready:\n{self._log_tail()}")
            time.sleep(pause)
            pause = min(pause * 1.2, 0.25)
        if not (self.data_dir / "bootstrapped").exists():
            create_database(socket_dir, passwords)
            write_private(self.data_dir / "bootstrapped", "1\n")

    def _is_ready(self, socket_dir: Path) -> bool:
        try:
            status = (self._cluster / "postmaster.pid").read_text().splitlines()[7:8]
        except OSError:
            return False
        ready = bool(status) and status[0].strip() == "ready"
        return ready and listening_pid(socket_dir / SOCKET_NAME) is not None

    def _spawn(
        self, lock: FileLock, user: ServerUser | None, socket_dir: Path, passwords: Passwords
    ) -> None:
        """Start a server. We hold `lock`, so none is left and lock files can only be stale."""
        if self._child is not None and _exit_code(self._child) > 0:
            raise EmbeddedError(f"PostgreSQL does not start:\n{self._log_tail()}")
        if user is not None:
            reached = (binaries(), self.data_dir, socket_dir.parent)
            for directory in let_reach(user, reached):
                logger.info("let the system user %s pass through %s", user.name, directory)
        if not self._cluster.exists():
            create_cluster(self._cluster, user, passwords, durable=self._durable)
        check_version(self._cluster)
        # PostgreSQL would believe these as soon as some other process got the dead one's id.
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)
        (socket_dir / f"{SOCKET_NAME}.lock").unlink(missing_ok=True)
        config = write_settings(self.data_dir, durable=self._durable, socket_dir=socket_dir)
        with open_log(self.data_dir / "postgres.log") as log:
            process = subprocess.Popen(  # noqa: S603
                [binaries() / "postgres", "-c", f"config_file={config}"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=environment(),
                umask=0o077,
                start_new_session=True,  # Ctrl-C in our terminal is not meant for the server
                pass_fds=(lock.fd,),
                **identity(user),
            )
        process.returncode = 0  # it may outlive us: reaped by process id, not by this object
        self._child = process.pid
        _children.add(process.pid)

    def _shut_down(self) -> None:
        """Ask for a fast shutdown, then for an immediate one (which recovers at next start)."""
        lock = FileLock(self.data_dir / "server.lock")
        try:
            for request in (signal.SIGINT, signal.SIGQUIT):
                pid = self._listening_pid()
                if not pid:  # gone, or of another container, whose processes we cannot name
                    break
                with suppress(ProcessLookupError):
                    os.kill(pid, request)
                deadline = time.monotonic() + _STOP_LIMIT_S
                while not lock.acquire() and time.monotonic() < deadline:
                    time.sleep(0.005)
                if lock.acquire():
                    break
        finally:
            lock.close()

    def _log_tail(self) -> str:
        with suppress(OSError):
            lines = (self.data_dir / "postgres.log").read_text(errors="replace").splitlines()
            return "\n".join(lines[-12:])
        return ""


def _exit_code(pid: int) -> int:
    _children.discard(pid)
    with suppress(ChildProcessError):
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return 0


def _reap() -> None:
    """Collect servers that this process spawned and that have ended since."""
    for pid in list(_children):
        try:
            is_gone = os.waitpid(pid, os.WNOHANG)[0] != 0
        except ChildProcessError:
            is_gone = True
        if is_gone:
            _children.discard(pid)


@contextmanager
def temporary_server() -> Iterator[EmbeddedServer]:
    """A throw-away server on a short path, gone with its data at the end. For tests."""
    base = Path("/tmp") / f"pixsim7-{secrets.token_hex(6)}"  # noqa: S108 - made exclusively below
    base.mkdir(mode=0o711)
    server = EmbeddedPostgres(base, durable=False)
    try:
        yield server.start()
    finally:
        server.stop()
        shutil.rmtree(base, ignore_errors=True)
