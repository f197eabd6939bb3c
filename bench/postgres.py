"""The PostgreSQL of a run: PixSim7's own embedded one, with fsync on, for everybody alike."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from pixsim7_backend.infrastructure.database.embedded import EmbeddedPostgres, EmbeddedServer


class Server:
    """A running server."""

    def __init__(self, described: EmbeddedServer) -> None:
        self._described = described
        pid_file = described.data_dir / "cluster" / "postmaster.pid"
        self.pid = int(pid_file.read_text().splitlines()[0])

    def url(self, database: str) -> str:
        return _named(self._described.url, database)

    @asynccontextmanager
    async def database(self, name: str) -> AsyncIterator[str]:
        """A fresh database for the time of the block; yields its URL."""
        owner = urlsplit(self._described.url).username
        await self.admin(f"CREATE DATABASE {name} OWNER {owner}")
        try:
            yield self.url(name)
        finally:
            await self.admin(f"DROP DATABASE {name} WITH (FORCE)")

    async def admin(self, statement: str) -> None:
        """Run one statement as the superuser."""
        connection = await asyncpg.connect(self._described.admin_url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def counters(self, database: str) -> dict[str, int]:
        """Transactions of a database and WAL bytes of the server, so far."""
        connection = await asyncpg.connect(self._described.admin_url)
        try:
            row = await connection.fetchrow(
                "SELECT xact_commit AS commits, xact_rollback AS rollbacks,"
                " pg_current_wal_lsn() - '0/0'::pg_lsn AS wal_bytes"
                " FROM pg_stat_database WHERE datname = $1",
                database,
            )
        finally:
            await connection.close()
        if row is None:
            raise LookupError(f"database {database}")
        return {name: int(value) for name, value in row.items()}


def _named(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


@contextmanager
def durable_server(directory: Path) -> Iterator[Server]:
    """A cluster with the settings that production has."""
    os.chmod(directory, 0o711)  # the server runs as another user when we are root
    embedded = EmbeddedPostgres(directory / "postgres", durable=True)
    try:
        yield Server(embedded.start())
    finally:
        embedded.stop()
