"""The schema: one head, up and down, and refused when it is not ours."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from pixsim7_backend.infrastructure.database.embedded import EmbeddedServer
from pixsim7_backend.infrastructure.database.migrate import (
    SchemaNotReady,
    alembic_config,
    migrate,
    require_current_schema,
    run_sync,
)


@pytest.fixture
async def empty(postgres: EmbeddedServer) -> AsyncIterator[str]:
    """A database with nothing in it."""
    name = f"empty_{uuid4().hex}"
    admin = await asyncpg.connect(postgres.admin_url)
    await admin.execute(f"CREATE DATABASE {name} OWNER {urlsplit(postgres.url).username}")
    yield urlunsplit(urlsplit(postgres.url)._replace(path=f"/{name}"))
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


async def objects(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(
            await connection.fetchval(
                "SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
                "        AND relname NOT LIKE 'alembic%')"
                " + (SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace)"
                " + (SELECT count(*) FROM pg_type WHERE typnamespace = 'public'::regnamespace"
                "    AND typname NOT LIKE '%alembic%')"
            )
        )
    finally:
        await connection.close()


def test_there_is_one_head() -> None:
    assert len(ScriptDirectory.from_config(alembic_config()).get_heads()) == 1


async def test_the_models_and_the_migrations_say_the_same(database_url: str) -> None:
    def check(connection: Connection) -> None:
        command.check(alembic_config(connection))

    await run_sync(database_url, check)


async def test_up_down_and_up_again(empty: str) -> None:
    await migrate(empty)
    await require_current_schema(empty)
    made = await objects(empty)

    def down(connection: Connection) -> None:
        command.downgrade(alembic_config(connection), "base")

    await run_sync(empty, down)
    assert await objects(empty) == 0
    await migrate(empty)
    assert await objects(empty) == made


async def test_migrating_twice_at_once_is_migrating_once(empty: str) -> None:
    await asyncio.gather(*(migrate(empty) for _ in range(3)))
    await require_current_schema(empty)


@pytest.mark.parametrize(
    ("revision", "sentence"),
    [(None, "is empty"), ("0001", "older version"), ("9999", "newer version")],
)
async def test_a_schema_that_is_not_ours_is_refused(
    empty: str, revision: str | None, sentence: str
) -> None:
    if revision == "0001":
        await migrate(empty, "0001")
    elif revision is not None:
        await migrate(empty)
        connection = await asyncpg.connect(empty)
        await connection.execute("UPDATE alembic_version SET version_num = $1", revision)
        await connection.close()
    with pytest.raises(SchemaNotReady, match=sentence):
        await require_current_schema(empty)
