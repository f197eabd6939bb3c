"""Bringing the schema up to date, and refusing to run on one that is not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from pixsim7_backend.infrastructure.database.engine import sqlalchemy_url

# Two processes that start together must not migrate together.
_MIGRATION_LOCK = 7_730_001


class SchemaNotReady(Exception):
    """The database's schema is not the one this version works with."""


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration without an ini file: the scripts are package data."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


async def migrate(url: str, revision: str = "head") -> None:
    """Upgrade to `revision`; all of it in one transaction, or nothing."""

    def upgrade(connection: Connection) -> None:
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
        command.upgrade(alembic_config(connection), revision)

    await run_sync(url, upgrade)


async def run_sync(url: str, function: Callable[[Connection], Any]) -> Any:
    """Run a synchronous function in one transaction of its own connection."""
    engine = create_async_engine(sqlalchemy_url(url), poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(function)
    finally:
        await engine.dispose()


def _revisions(connection: Connection) -> tuple[set[str], set[str]]:
    heads = set(ScriptDirectory.from_config(alembic_config()).get_heads())
    current = set(MigrationContext.configure(connection).get_current_heads())
    return current, heads


async def require_current_schema(url: str) -> None:
    """Raise `SchemaNotReady` unless the schema is exactly the one of this version."""
    current, heads = await run_sync(url, _revisions)
    if current == heads:
        return
    if not current:
        raise SchemaNotReady("The database is empty; run `pixsim7 migrate` first.")
    known = {
        script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()
    }
    if current <= known:
        raise SchemaNotReady("The database is of an older version; run `pixsim7 migrate` first.")
    raise SchemaNotReady("The database is of a newer version than this program; upgrade it.")
