"""The engine, and the one place that opens and commits transactions."""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from pixsim7_backend.domain.event import EVENT_TYPES
from pixsim7_backend.domain.webhook import WebhookDelivery
from pixsim7_backend.infrastructure.database.errors import passing_trouble
from pixsim7_backend.infrastructure.database.guard import assert_no_transaction, transaction_open
from pixsim7_backend.infrastructure.queue import Task, enqueue

EVENT_CHANNEL = "pixsim7_events"

# All events of a transaction, the hint to their readers, and which webhooks want which event, in
# one round trip. Without any webhook that is a look into an empty table.
_WRITE_EVENTS = text(
    f"""
    WITH written AS (
        INSERT INTO events (type, user_id, job_id, asset_id, account_id, data)
        SELECT type, user_id, job_id, asset_id, account_id, data
        FROM jsonb_to_recordset(CAST(:events AS jsonb)) AS event(
            type text, user_id uuid, job_id uuid, asset_id uuid, account_id uuid, data jsonb
        )
        RETURNING id, type, user_id, data
    ), receivers AS MATERIALIZED (
        SELECT w.id, w.user_id, w.event_types, w.is_for_everybody
        FROM webhooks w JOIN users u ON u.id = w.user_id
        WHERE w.status = 'active'
          AND (w.user_id = ANY(ARRAY(SELECT user_id FROM written)) OR w.is_for_everybody)
          AND u.is_active AND (u.role = 'admin' OR NOT w.is_for_everybody)
    ), wanted AS (
        SELECT e.id AS event_id, r.id AS webhook_id
        FROM written e JOIN receivers r ON r.user_id = e.user_id OR r.is_for_everybody
        WHERE CASE e.type WHEN 'webhook:test' THEN e.data ->> 'id' = r.id::text
              ELSE r.event_types && ARRAY['*', e.type] END
        ORDER BY e.id
    )
    SELECT wanted.event_id, wanted.webhook_id
    FROM pg_notify('{EVENT_CHANNEL}', '') LEFT JOIN wanted ON true
    """  # noqa: S608 - the only interpolation is the constant above
)

# In one order, so that two who want some of the same cannot wait for each other.
_LOCK = text(
    "SELECT pg_advisory_lock(hashtextextended(name, 0))"
    " FROM (SELECT DISTINCT unnest(CAST(:names AS text[])) AS name ORDER BY 1) AS wanted"
)
_UNLOCK = text("SELECT pg_advisory_unlock_all()")


@dataclass(slots=True)
class Transaction:
    """One open transaction: its session, and the events and tasks that commit with it."""

    session: AsyncSession
    owner: asyncio.Task[Any] | None
    events: list[dict[str, Any]] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)

    def publish(
        self,
        type: str,
        *,
        user_id: UUID | None,
        job_id: UUID | None = None,
        asset_id: UUID | None = None,
        account_id: UUID | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        """Record an event; it exists exactly if this transaction commits."""
        if type not in EVENT_TYPES:
            raise ValueError(f"unlisted event type {type!r}")
        self.events.append(
            {
                "type": type,
                "user_id": _text(user_id),
                "job_id": _text(job_id),
                "asset_id": _text(asset_id),
                "account_id": _text(account_id),
                "data": dict(data or {}),
            }
        )

    def enqueue(
        self,
        name: str,
        payload: str = "",
        *,
        priority: int = 0,
        delay_s: float = 0.0,
        dedupe_key: str | None = None,
    ) -> None:
        """Have a worker run a task after this transaction commits. Higher priority runs first."""
        delay = timedelta(seconds=delay_s) if delay_s > 0 else None
        task = Task(name, payload, priority, delay, dedupe_key)
        if task not in self.tasks:
            self.tasks.append(task)


def _text(id: UUID | None) -> str | None:
    return None if id is None else str(id)


_current: ContextVar[Transaction | None] = ContextVar("pixsim7_transaction", default=None)


class Database:
    """A pool of connections, and transactions on them.

    A service method opens `transaction()`; when its caller already has one open in the same
    asyncio task, it joins that one, and the outermost commits. Rows stay readable afterwards.
    """

    def __init__(self, url: str, *, pool_size: int = 10, statement_timeout_s: float = 30.0) -> None:
        self.url = url
        self.engine = _create_engine(url, pool_size, statement_timeout_s)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False, autoflush=False)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Commit at the end of the outermost block; roll back if it raises."""
        current = _current.get()
        if current is not None and current.owner is asyncio.current_task():
            yield current
            await current.session.flush()
            return
        async with self._outermost() as transaction:
            yield transaction

    @asynccontextmanager
    async def _outermost(self) -> AsyncIterator[Transaction]:
        # A child task inherits the variable, not the transaction: it opens its own.
        session = self._sessions()
        transaction = Transaction(session, asyncio.current_task())
        token = _current.set(transaction)
        try:
            with passing_trouble(), transaction_open():
                yield transaction
                await _finish(transaction)
        except BaseException:
            await _to_the_end(session.rollback())
            raise
        finally:
            _current.reset(token)
            await _to_the_end(session.close())

    @asynccontextmanager
    async def lock(self, *names: str) -> AsyncIterator[None]:
        """Hold advisory locks across several transactions and work on bytes between them.

        Never inside a transaction: two that wait for each other's locks are found by PostgreSQL
        only if both wait there.
        """
        assert_no_transaction("a lock that outlives transactions")
        async with self.engine.connect() as plain:
            connection = await plain.execution_options(isolation_level="AUTOCOMMIT")
            try:
                with passing_trouble():
                    await connection.execute(_LOCK, {"names": list(names)})
                yield
                await connection.execute(_UNLOCK)
            except BaseException:
                # The locks end with the connection, whatever state it is in.
                await _to_the_end(connection.invalidate())
                raise

    async def close(self) -> None:
        await self.engine.dispose()


async def _finish(transaction: Transaction) -> None:
    session = transaction.session
    await session.flush()
    if transaction.events:
        await _write_events(transaction)
    if transaction.tasks:
        await enqueue(session, transaction.tasks)
    await _to_the_end(session.commit())


async def _write_events(transaction: Transaction) -> None:
    written = await transaction.session.execute(
        _WRITE_EVENTS, {"events": json.dumps(transaction.events)}
    )
    wanted = [row for row in written.mappings() if row["webhook_id"] is not None]
    if wanted:
        await transaction.session.execute(insert(WebhookDelivery), [dict(row) for row in wanted])
        for row in wanted:
            transaction.enqueue("send_webhooks", str(row["webhook_id"]))


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Finish even when we are cancelled: no connection is left in mid-commit."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def sqlalchemy_url(url: str) -> str:
    """The same server, by the asyncpg dialect."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(scheme="postgresql+asyncpg"))


def _create_engine(url: str, pool_size: int, statement_timeout_s: float) -> AsyncEngine:
    return create_async_engine(
        sqlalchemy_url(url),
        # No overflow: such connections are closed after each use, and a new one costs a
        # server process, a handshake and all prepared statements.
        pool_size=2 * pool_size,
        max_overflow=0,
        pool_use_lifo=True,
        pool_timeout=2.0,
        pool_pre_ping=False,
        connect_args={
            "prepared_statement_cache_size": 500,
            "server_settings": {
                "application_name": "pixsim7",
                "timezone": "UTC",
                "idle_in_transaction_session_timeout": "10s",
                "lock_timeout": "5s",
                "statement_timeout": f"{int(statement_timeout_s * 1000)}",
                # Short statements by the thousand: compiling them costs more than it gains.
                "jit": "off",
            },
        },
    )
