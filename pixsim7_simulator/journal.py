"""The durable record of what was asked, charged and run: SQLite, written by group commit."""

import asyncio
import sqlite3
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

Value = str | int | float | None
Row = dict[str, Any]

_COLUMNS: dict[str, str] = {
    "requests": """
        at REAL, done_at REAL, endpoint TEXT, method TEXT, path TEXT, peer TEXT, account TEXT,
        trace_id TEXT, params_digest TEXT, body_bytes INTEGER, object_id INTEGER, status INTEGER,
        err_code INTEGER, bytes_out INTEGER, duplicate INTEGER, fault TEXT, rule TEXT
    """,
    "charges": """
        at REAL, kind TEXT, account TEXT, video_id INTEGER, trace_id TEXT, operation TEXT,
        amount INTEGER, balance_after INTEGER
    """,
    "slots": """
        at REAL, event TEXT, account TEXT, video_id INTEGER, running INTEGER, slot_limit INTEGER
    """,
    "violations": """
        at REAL, kind TEXT, account TEXT, trace_id TEXT, endpoint TEXT, running INTEGER,
        slot_limit INTEGER, balance INTEGER, cost INTEGER
    """,
    "deliveries": """
        at REAL, account TEXT, video_id INTEGER, webhook_id TEXT, attempt INTEGER, kind TEXT,
        status INTEGER, ok INTEGER
    """,
}
_FIELDS = {
    table: [column.split()[0] for column in columns.split(",")]
    for table, columns in _COLUMNS.items()
}
_INSERT = {
    table: f"INSERT INTO {table} ({','.join(fields)}) VALUES ({','.join('?' * len(fields))})"  # noqa: S608
    for table, fields in _FIELDS.items()
}
_BY_TRACE = """
SELECT trace_id, sum(kind = 'charge') AS charges, sum(kind = 'refund') AS refunds,
       sum(CASE kind WHEN 'charge' THEN amount ELSE -amount END) AS net
FROM charges GROUP BY trace_id ORDER BY min(id)
"""


class Journal:
    """Appends stay in memory; `durable()` returns once all that was appended before is committed.

    Commits run one at a time in a thread, and each takes everything that gathered during the one
    before it, so all requests that wait share the price of one fsync. Use from one event loop only.
    """

    def __init__(
        self, path: Path | None = None, *, synchronous: Literal["FULL", "NORMAL"] = "FULL"
    ) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        self._pending: dict[str, list[tuple[Value, ...]]] = defaultdict(list)
        self._waiters: list[asyncio.Future[None]] = []
        self._committer: asyncio.Task[None] | None = None
        self._db = sqlite3.connect(
            path or ":memory:", check_same_thread=False, isolation_level=None
        )
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute(f"PRAGMA synchronous = {synchronous}")
        for table, columns in _COLUMNS.items():
            self._db.execute(
                f"CREATE TABLE IF NOT EXISTS {table} (id INTEGER PRIMARY KEY, {columns})"
            )
        self._db.execute("CREATE INDEX IF NOT EXISTS charges_trace ON charges (trace_id)")

    def add(self, table: str, **values: Value) -> None:
        """Append one row; it reaches the disk with the next commit."""
        self._pending[table].append(tuple(map(values.get, _FIELDS[table])))
        self._kick()

    async def durable(self) -> None:
        if self._committer is None and not self._pending:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._kick()
        await waiter

    async def rows(
        self, table: str, *, since: float | None = None, limit: int = 10_000, **equal: Value
    ) -> list[Row]:
        """Rows of one table, oldest first; `equal` filters with a value of None are ignored."""
        wanted = {name: value for name, value in equal.items() if value is not None}
        if unknown := wanted.keys() - {"id", *_FIELDS[table]}:
            raise ValueError(f"{table} has no column {', '.join(sorted(unknown))}")
        where = [f"{name} = :{name}" for name in wanted] + (
            ["at >= :since"] if since is not None else []
        )
        clause = f" WHERE {' AND '.join(where)}" if where else ""
        sql = f"SELECT * FROM {table}{clause} ORDER BY id LIMIT :limit"  # noqa: S608 - names are checked above
        return await self._read(sql, {**wanted, "since": since, "limit": limit})

    async def charges_by_trace(self) -> list[Row]:
        return await self._read(_BY_TRACE, {})

    async def clear(self) -> None:
        await self.durable()
        await asyncio.get_running_loop().run_in_executor(self._thread, self._delete_all)

    async def close(self) -> None:
        await self.durable()
        await asyncio.get_running_loop().run_in_executor(self._thread, self._db.close)
        self._thread.shutdown()

    async def _read(self, sql: str, params: dict[str, Value]) -> list[Row]:
        await self.durable()

        def fetch() -> list[Row]:
            return [dict(row) for row in self._db.execute(sql, params)]

        return await asyncio.get_running_loop().run_in_executor(self._thread, fetch)

    def _kick(self) -> None:
        if self._committer is None:
            self._committer = asyncio.get_running_loop().create_task(self._commit_until_idle())

    async def _commit_until_idle(self) -> None:
        loop = asyncio.get_running_loop()
        while self._pending or self._waiters:
            batch, waiters = self._pending, self._waiters
            self._pending, self._waiters = defaultdict(list), []
            failure: Exception | None = None
            try:
                await loop.run_in_executor(self._thread, self._write, batch)
            except Exception as error:  # whatever it is, those who wait must hear of it
                failure = error
            for waiter in waiters:
                if waiter.done():
                    continue
                if failure is None:
                    waiter.set_result(None)
                else:
                    waiter.set_exception(failure)
        self._committer = None

    def _write(self, batch: dict[str, list[tuple[Value, ...]]]) -> None:
        if not batch:
            return
        self._db.execute("BEGIN")
        try:
            for table, rows in batch.items():
                self._db.executemany(_INSERT[table], rows)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise

    def _delete_all(self) -> None:
        for table in _COLUMNS:
            self._db.execute(f"DELETE FROM {table}")  # noqa: S608
