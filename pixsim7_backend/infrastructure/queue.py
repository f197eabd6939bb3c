"""The seam to PgQueuer: tasks are enqueued in the transaction that makes them necessary."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
from pgqueuer import Queries
from pgqueuer.core.tm import TaskManager
from pgqueuer.domain.settings import db_settings
from pgqueuer.ports.driver import Driver, NotifyCallback
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


@dataclass(frozen=True, slots=True)
class Task:
    """A piece of work by name; the payload carries ids only."""

    name: str
    payload: str = ""
    priority: int = 0
    delay: timedelta | None = None
    dedupe_key: str | None = None
    """At most one task of a key is queued or running; a further one is dropped."""


class _SessionDriver(Driver):
    """Runs PgQueuer's statements on the session's own connection, inside its transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._shutdown = asyncio.Event()

    async def fetch(self, query: str, *args: Any) -> list[dict[str, Any]]:
        connection = await self._session.connection()
        result = await connection.exec_driver_sql(query, args)
        return [dict(row) for row in result.mappings()]

    async def execute(self, query: str, *args: Any) -> str:
        connection = await self._session.connection()
        await connection.exec_driver_sql(query, args)
        return ""

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        raise NotImplementedError("sessions enqueue, they do not listen")

    async def remove_listener(self, channel: str, callback: NotifyCallback) -> None:
        raise NotImplementedError("sessions enqueue, they do not listen")

    async def notify(self, channel: str, payload: str) -> None:
        raise NotImplementedError("sessions enqueue, they do not notify")

    @property
    def shutdown(self) -> asyncio.Event:
        return self._shutdown

    @property
    def tm(self) -> TaskManager:
        return TaskManager()

    async def __aenter__(self) -> "_SessionDriver":
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


async def enqueue(session: AsyncSession, tasks: Sequence[Task]) -> None:
    """Put tasks into the queue; they appear when the session's transaction commits."""
    await Queries(_SessionDriver(session)).enqueue(
        [task.name for task in tasks],
        [task.payload.encode() for task in tasks],
        [task.priority for task in tasks],
        [task.delay for task in tasks],
        [task.dedupe_key for task in tasks],
        on_conflict="skip",
    )


async def give_back(
    connection: asyncpg.Connection | asyncpg.pool.Pool, owners: Sequence[UUID]
) -> None:
    """Let tasks that these owners had taken be taken by others at once, not when their heartbeat
    has aged. An owner that still works on one runs it beside the other: tasks allow for that."""
    table = db_settings().queue_table
    await connection.execute(
        f"UPDATE {table} SET heartbeat = 'epoch'"  # noqa: S608 - PgQueuer's own name
        " WHERE status = 'picked' AND queue_manager_id = ANY($1)",
        list(owners),
    )


async def trim_log(session: AsyncSession, older_than: timedelta) -> None:
    """PgQueuer keeps a log row per task and folds it into statistics; folded ones may go."""
    settings = db_settings()
    await session.execute(
        text(
            f"DELETE FROM {settings.queue_table_log}"  # noqa: S608 - PgQueuer's own name
            " WHERE aggregated AND created < now() - CAST(:age AS interval)"
        ),
        {"age": older_than},
    )
