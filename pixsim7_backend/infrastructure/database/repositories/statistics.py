"""What administrators count: usage over time, the queue, the workers, the bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from pgqueuer.domain.settings import db_settings
from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from pixsim7_backend.domain.asset import Blob
from pixsim7_backend.domain.installation import WorkerBeat


class UsageGroup(StrEnum):
    """What usage is added up by."""

    DAY = "day"
    USER = "user"
    PROVIDER = "provider"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class UsageRow:
    """Usage of one group; of accounts, attempts take the place of jobs."""

    key: str
    label: str
    jobs: int
    completed: int
    failed: int
    cancelled: int
    credits: Decimal
    p50_s: float | None
    p90_s: float | None


@dataclass(frozen=True, slots=True)
class TaskDepth:
    """How many tasks of one name wait and run; `waiting` could run now."""

    task: str
    waiting: int
    running: int
    oldest_s: float


_NUMBERS = """
    count(*) AS jobs,
    count(*) FILTER (WHERE outcome = 'completed') AS completed,
    count(*) FILTER (WHERE outcome = 'failed') AS failed,
    count(*) FILTER (WHERE outcome = 'cancelled') AS cancelled,
    coalesce(sum(credits), 0) AS credits,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS p50_s,
    percentile_cont(0.9) WITHIN GROUP (ORDER BY seconds) AS p90_s
"""

_JOBS = """
    SELECT created_at AS at, user_id, provider_id, status AS outcome, charged_credits AS credits,
           CASE WHEN status = 'completed'
                THEN extract(epoch FROM finished_at - started_at) END AS seconds
    FROM jobs WHERE created_at >= :start AND created_at < :end
"""

_ATTEMPTS = """
    SELECT account_id, charged_credits AS credits,
           CASE WHEN state IN ('completed_remote', 'fetched') THEN 'completed'
                WHEN state IN ('failed_remote', 'rejected', 'result_lost', 'closed_unknown')
                THEN 'failed' END AS outcome,
           CASE WHEN state IN ('completed_remote', 'fetched')
                THEN extract(epoch FROM finished_at - submitted_at) END AS seconds
    FROM provider_submissions
    WHERE reserved_at >= :start AND reserved_at < :end AND state <> 'abandoned'
"""

_KEYS = {
    UsageGroup.DAY: ("(j.at AT TIME ZONE 'UTC')::date::text", "''", ""),
    UsageGroup.USER: ("u.id::text", "u.username", "JOIN users u ON u.id = j.user_id"),
    UsageGroup.PROVIDER: ("j.provider_id", "j.provider_id", ""),
    UsageGroup.ACCOUNT: (
        "a.id::text",
        "a.name",
        "JOIN provider_accounts a ON a.id = j.account_id",
    ),
}
"""Of each group: its key, what people call it, and where that is written."""

MAX_ROWS = 1000


def _grouped(group: UsageGroup) -> str:
    key, label, join = _KEYS[group]
    order = "key" if group is UsageGroup.DAY else "count(*) DESC, key"
    return f"""
        SELECT key, label, {_NUMBERS}
        FROM (SELECT j.*, {key} AS key, {label} AS label FROM ({_source(group)}) j {join}) keyed
        GROUP BY key, label ORDER BY {order} LIMIT {MAX_ROWS}
    """  # noqa: S608 - nothing but the constants above


def _total(group: UsageGroup) -> str:
    return f"SELECT '' AS key, 'Total' AS label, {_NUMBERS} FROM ({_source(group)}) j"  # noqa: S608


def _source(group: UsageGroup) -> str:
    return _ATTEMPTS if group is UsageGroup.ACCOUNT else _JOBS


class StatisticsRepository:
    """Reads, and the workers' signs of life."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def usage(self, group: UsageGroup, start: datetime, end: datetime) -> list[UsageRow]:
        rows = await self._session.execute(text(_grouped(group)), {"start": start, "end": end})
        return [_usage_row(row) for row in rows]

    async def usage_total(self, group: UsageGroup, start: datetime, end: datetime) -> UsageRow:
        rows = await self._session.execute(text(_total(group)), {"start": start, "end": end})
        return _usage_row(rows.one())

    # --- workers ---

    async def beat(self, worker_id: UUID, host: str, version: str) -> None:
        """Note that the worker lives; the first time, that it began."""
        row = insert(WorkerBeat).values(
            id=worker_id, host=host, version=version, last_beat_at=func.now()
        )
        await self._session.execute(
            row.on_conflict_do_update(index_elements=["id"], set_={"last_beat_at": func.now()})
        )

    async def forget_worker(self, worker_id: UUID) -> None:
        await self._session.execute(delete(WorkerBeat).where(WorkerBeat.id == worker_id))

    async def forget_silent_workers(self, before: datetime) -> None:
        await self._session.execute(delete(WorkerBeat).where(WorkerBeat.last_beat_at < before))

    async def workers(self) -> Sequence[WorkerBeat]:
        statement = select(WorkerBeat).order_by(WorkerBeat.started_at)
        statement = statement.execution_options(populate_existing=True)
        return (await self._session.scalars(statement)).all()

    # --- the rest ---

    async def tasks(self) -> list[TaskDepth]:
        table = db_settings().queue_table
        rows = await self._session.execute(
            text(
                f"""
                SELECT entrypoint,
                       count(*) FILTER (
                           WHERE status = 'queued' AND execute_after <= now()
                       ) AS waiting,
                       count(*) FILTER (WHERE status = 'picked') AS running,
                       coalesce(max(extract(epoch FROM now() - execute_after)) FILTER (
                           WHERE status = 'queued' AND execute_after <= now()
                       ), 0) AS oldest_s
                FROM {table} GROUP BY entrypoint ORDER BY entrypoint
                """  # noqa: S608 - PgQueuer's own name
            )
        )
        return [
            TaskDepth(row.entrypoint, row.waiting, row.running, float(row.oldest_s)) for row in rows
        ]

    async def blobs(self) -> tuple[int, int]:
        """How many there are, and their bytes."""
        statement = select(func.count(), func.coalesce(func.sum(Blob.size_bytes), 0))
        count, size = (await self._session.execute(statement)).one()
        return count, int(size)

    async def server(self) -> tuple[str, datetime]:
        """The database's version and its clock."""
        row = await self._session.execute(
            text("SELECT current_setting('server_version') AS version, clock_timestamp() AS now")
        )
        version, now = row.one()
        return version, now


def _usage_row(row: Any) -> UsageRow:
    return UsageRow(
        key=row.key,
        label=row.label or row.key,
        jobs=row.jobs,
        completed=row.completed,
        failed=row.failed,
        cancelled=row.cancelled,
        credits=row.credits,
        p50_s=None if row.p50_s is None else float(row.p50_s),
        p90_s=None if row.p90_s is None else float(row.p90_s),
    )
