"""Whether the installation is well: each check in words, with what to do about it."""

import platform
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Literal
from uuid import UUID

from pixsim7_backend.infrastructure.database.engine import Database
from pixsim7_backend.infrastructure.database.repositories.statistics import (
    StatisticsRepository,
    TaskDepth,
)
from pixsim7_backend.infrastructure.storage.blob_store import BlobStore
from pixsim7_backend.services.job.upkeep import Upkeep
from pixsim7_backend.shared.config import Settings
from pixsim7_backend.shared.errors import PixSimError

MIN_SILENCE_S = 30.0
"""A worker is not called dead sooner."""
SLOW_QUEUE_S = 60.0
CLOCK_SKEW_S = 5.0
LOW_DISK_BYTES, NO_DISK_BYTES = 5 * 2**30, 2**30

State = Literal["ok", "warn", "bad"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    title: str
    state: State
    sentence: str
    fix: str | None = None


@dataclass(frozen=True, slots=True)
class WorkerHealth:
    id: UUID
    host: str
    version: str
    started_at: datetime
    last_beat_at: datetime
    is_alive: bool


@dataclass(frozen=True, slots=True)
class QueueDepth:
    waiting: int
    running: int
    by_task: Sequence[TaskDepth]


@dataclass(frozen=True, slots=True)
class StorageUse:
    """The disk is known where media lie in a directory of this machine."""

    disk_free_bytes: int | None
    disk_total_bytes: int | None
    blobs: int
    blob_bytes: int


@dataclass(frozen=True, slots=True)
class Versions:
    pixsim7: str
    python: str
    postgres: str


@dataclass(frozen=True, slots=True)
class HealthReport:
    """Everything at one moment; the status is that of the worst check."""

    checks: Sequence[Check]
    queue: QueueDepth
    workers: Sequence[WorkerHealth]
    storage: StorageUse
    versions: Versions

    @property
    def status(self) -> State:
        states = {check.state for check in self.checks}
        return "bad" if "bad" in states else "warn" if "warn" in states else "ok"


class HealthService:
    """Looks, and changes nothing. A database that is away is an error of the request."""

    def __init__(
        self, database: Database, store: BlobStore, upkeep: Upkeep, settings: Settings
    ) -> None:
        self._db = database
        self._store = store
        self._upkeep = upkeep
        self._settings = settings

    async def report(self) -> HealthReport:
        """Everything that an operator should know."""
        asked = datetime.now(UTC)
        async with self._db.transaction() as tx:
            rows = StatisticsRepository(tx.session)
            postgres, clock = await rows.server()
            answered = datetime.now(UTC)
            tasks = await rows.tasks()
            beats = await rows.workers()
            blobs, blob_bytes = await rows.blobs()
        silence = timedelta(seconds=max(MIN_SILENCE_S, 3 * self._settings.sweep_interval_s))
        workers = [
            WorkerHealth(
                beat.id,
                beat.host,
                beat.version,
                beat.started_at,
                beat.last_beat_at,
                clock - beat.last_beat_at < silence,
            )
            for beat in beats
        ]
        free, total = self._disk()
        checks = [
            _database(asked, answered),
            _clock(clock - asked, answered - asked),
            await self._storage(),
            _disk(free),
            _workers([worker for worker in workers if worker.is_alive]),
            _queue(tasks),
            *_findings(await self._upkeep.findings()),
        ]
        return HealthReport(
            checks=checks,
            queue=QueueDepth(
                sum(task.waiting for task in tasks), sum(task.running for task in tasks), tasks
            ),
            workers=workers,
            storage=StorageUse(free, total, blobs, blob_bytes),
            versions=Versions(version("pixsim7"), platform.python_version(), postgres),
        )

    async def _storage(self) -> Check:
        try:
            await self._store.check()
        except PixSimError as error:
            fix = "Check that the place of PIXSIM7_STORAGE_URL is there and may be written."
            return Check("storage", "Storage", "bad", error.detail, fix)
        return Check("storage", "Storage", "ok", "Media can be read and written.")

    def _disk(self) -> tuple[int | None, int | None]:
        if self._settings.storage_url is not None:
            return None, None
        usage = shutil.disk_usage(_existing(self._settings.data_dir))
        return usage.free, usage.total


def _existing(path: Path) -> Path:
    return next(place for place in (path, *path.parents) if place.exists())


def _database(asked: datetime, answered: datetime) -> Check:
    took_ms = (answered - asked).total_seconds() * 1000
    if took_ms > 500:
        fix = "Look at the load of the database server and at the network to it."
        return Check("database", "Database", "warn", f"It took {took_ms:.0f} ms to answer.", fix)
    return Check("database", "Database", "ok", f"It answers within {max(took_ms, 1):.0f} ms.")


def _clock(ahead: timedelta, took: timedelta) -> Check:
    skew = abs((ahead - took / 2).total_seconds())
    if skew > CLOCK_SKEW_S:
        sentence = f"This machine's clock and the database's differ by {skew:.0f} s."
        return Check("clock", "Clock", "warn", sentence, "Let both keep time by NTP.")
    return Check("clock", "Clock", "ok", "The clocks agree.")


def _disk(free: int | None) -> Check:
    if free is None:
        return Check("disk", "Disk", "ok", "Media are in an object store.")
    sentence = f"{free / 2**30:.1f} GiB are free."
    fix = "Delete assets for good, or give the data directory a larger disk."
    if free < NO_DISK_BYTES:
        return Check("disk", "Disk", "bad", sentence, fix)
    if free < LOW_DISK_BYTES:
        return Check("disk", "Disk", "warn", sentence, fix)
    return Check("disk", "Disk", "ok", sentence)


def _workers(alive: Sequence[WorkerHealth]) -> Check:
    if not alive:
        fix = "Run `pixsim7 worker`, or `pixsim7 serve` without --no-worker."
        return Check("workers", "Workers", "bad", "No worker is alive: nothing is made.", fix)
    versions = sorted({worker.version for worker in alive})
    if len(versions) > 1:
        sentence = f"Workers of several versions run: {', '.join(versions)}."
        return Check("workers", "Workers", "warn", sentence, "Restart the older ones.")
    word = "worker is" if len(alive) == 1 else "workers are"
    return Check("workers", "Workers", "ok", f"{len(alive)} {word} alive.")


def _queue(tasks: Sequence[TaskDepth]) -> Check:
    waiting = sum(task.waiting for task in tasks)
    oldest = max((task.oldest_s for task in tasks), default=0.0)
    if oldest > SLOW_QUEUE_S:
        sentence = f"{waiting} tasks wait, the oldest for {oldest / 60:.0f} min."
        fix = "Start more workers, or raise PIXSIM7_WORKER_CONCURRENCY."
        return Check("queue", "Queue", "warn", sentence, fix)
    return Check("queue", "Queue", "ok", f"{waiting} tasks wait.")


_FINDINGS = {
    "slots": ("Account slots", "Report this: slots are given back with the work they were for."),
    "jobs": ("Decisions", "Open them in the queue, and retry or dismiss each."),
}


def _findings(found: dict[str, str]) -> list[Check]:
    checks = []
    for name, sentence in found.items():
        title, fix = _FINDINGS[name]
        is_ok = sentence == "ok"
        shown = "Nothing to do." if is_ok else sentence
        checks.append(Check(name, title, "ok" if is_ok else "warn", shown, None if is_ok else fix))
    return checks
