"""A whole installation to experiment on: database, services, simulator, worker processes."""

import asyncio
import io
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
from PIL import Image

from pixsim7_backend.bootstrap.container import Container
from pixsim7_backend.domain import Asset, Job, ProviderAccount, User
from pixsim7_backend.services.job.job_service import NewJob
from pixsim7_backend.shared.config import Settings
from pixsim7_simulator import ControlClient
from tests.conftest import PASSWORD, cheap_passwords, eventually
from tests.workers.processes import WorkerProcess, Zygote, environment

PROMPT = {"prompt": "sunset over mountains", "quality": "360p"}
PATIENCE_S = 90.0
"""Nothing here takes so long; a busy machine may."""
_numbers = itertools.count(1)

OPEN_JOBS = """
    SELECT count(*) FROM jobs
    WHERE status IN ('pending', 'processing') AND attention_code IS NULL
"""
UNFETCHED = "SELECT count(*) FROM assets WHERE sync_status <> 'downloaded'"


@dataclass
class Lab:
    """Jobs go in through the services of this process; workers are processes of their own."""

    container: Container
    settings: Settings
    simulator: ControlClient
    zygote: Zygote
    logs: Path
    workers: list[WorkerProcess] = field(default_factory=list)
    _eyes: asyncpg.Connection | None = None
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def close(self) -> None:
        await asyncio.gather(*(worker.kill() for worker in self.workers if worker.is_running))
        if self._eyes is not None:
            await self._eyes.close()

    def allow(self, origin: str) -> None:
        """Let workers that start from now on reach a further address."""
        origins = self.settings.allow_private_origins | {origin}
        self.settings = self.settings.model_copy(update={"allow_private_origins": origins})

    # --- people, accounts, jobs ---

    async def user(self, **quotas: Any) -> User:
        number = next(_numbers)
        return await self.container.services.users.create_user(
            f"lab{number}@example.com", f"lab{number}", PASSWORD, "user", **quotas
        )

    async def account(
        self,
        key: str,
        *,
        limit: int = 5,
        limit_at_vendor: int | None = None,
        credits: int = 100_000,
        base_url: str | None = None,
        name: str | None = None,
        owner: User | None = None,
    ) -> ProviderAccount:
        """A PixVerse account, at the simulator and here; shared unless it has an owner."""
        await self.simulator.put_account(key, package=credits, concurrent=limit_at_vendor or limit)
        account = await self.container.services.accounts.create_account(
            owner,
            "pixverse",
            name or f"PixVerse {key}",
            {"api_key": key},
            main_secret=key,
            base_url=base_url or self.simulator.pixverse_url,
            is_shared=owner is None,
            max_concurrent_jobs=limit,
            credits=Decimal(credits),
        )
        # The simulator is quick: polls need not wait for what the price list calls usual.
        await self.sql(
            "UPDATE provider_accounts SET avg_generation_time_sec = 0.05 WHERE id = $1", account.id
        )
        return account

    async def jobs(
        self, user: User, count: int = 1, provider_id: str = "pixverse", **values: Any
    ) -> list[Job]:
        operation = values.pop("operation_type", "text_to_video")
        params = values.pop("params", PROMPT)
        made: list[Job] = []
        for size in [100] * (count // 100) + ([count % 100] if count % 100 else []):
            requests = [NewJob(operation, provider_id, params, **values) for _ in range(size)]
            made += await self.container.services.jobs.create_jobs(user, requests)
        return made

    async def picture(self, user: User) -> Asset:
        """One in the library, ready to be an input."""
        content = io.BytesIO()
        Image.new("RGB", (640, 360), "teal").save(content, "PNG")

        async def chunks() -> AsyncIterator[bytes]:
            yield content.getvalue()

        return await self.container.services.assets.upload(user, chunks(), filename="teal.png")

    # --- processes ---

    async def worker(self, *, is_started: bool = True, **env: str) -> WorkerProcess:
        log = self.logs / f"worker-{next(_numbers)}.log"
        worker = await self.zygote.worker(environment(self.settings, **env), log)
        self.workers.append(worker)
        if is_started:
            await worker.started()
        return worker

    async def doomed_worker(self, fail_point: str) -> WorkerProcess:
        """A worker that dies at the point; returns once it is dead."""
        worker = await self.worker(is_started=False, PIXSIM7_FAIL_POINTS=fail_point)
        status = await worker.wait()
        assert status == -9, worker.said()
        return worker

    # --- looking ---

    async def sql(self, query: str, *args: object) -> list[asyncpg.Record]:
        async with self._looking:
            if self._eyes is None or self._eyes.is_closed():
                self._eyes = await asyncpg.connect(self.settings.database_url)
            return list(await self._eyes.fetch(query, *args))

    async def value(self, query: str, *args: object) -> Any:
        rows = await self.sql(query, *args)
        return rows[0][0] if rows else None

    async def until(
        self, query: str, wanted: object, *args: object, timeout_s: float = PATIENCE_S
    ) -> None:
        """Wait until a query's one value is as wanted."""
        seen: object = None

        async def holds() -> bool:
            nonlocal seen
            seen = await self.value(query, *args)
            return seen == wanted

        try:
            await eventually(holds, timeout_s, every_s=0.05)
        except TimeoutError:
            story = await self.story()
            raise AssertionError(f"{query}: {seen!r}, not {wanted!r}\n{story}") from None

    async def all_ended(self, *, fetched: bool = True, timeout_s: float = PATIENCE_S) -> None:
        """Every job is final or waits for a person, and every result is home."""
        await self.until(OPEN_JOBS, 0, timeout_s=timeout_s)
        if fetched:
            await self.until(UNFETCHED, 0, timeout_s=timeout_s)

    async def story(self) -> str:
        """What there is to see, for the message of a failed test."""
        parts = [
            await self.sql("SELECT status, attention_code, count(*) FROM jobs GROUP BY 1, 2"),
            await self.sql(
                "SELECT state, error_kind, error_message, count(*), max(state_deadline_at - now())"
                " FROM provider_submissions GROUP BY 1, 2, 3"
            ),
            await self.sql("SELECT kind, fence, detail, at FROM submission_evidence LIMIT 20"),
            await self.sql("SELECT sync_status, sync_error, count(*) FROM assets GROUP BY 1, 2"),
            await self.sql(
                "SELECT entrypoint, status, count(*), min(execute_after - now())"
                " FROM pgqueuer GROUP BY 1, 2"
            ),
        ]
        lines = [str(dict(row)) for part in parts for row in part]
        return "\n".join(lines + [worker.said()[-3000:] for worker in self.workers])

    async def states(self) -> dict[str, int]:
        rows = await self.sql("SELECT state, count(*) FROM provider_submissions GROUP BY 1")
        return {row[0]: row[1] for row in rows}

    # --- invariants ---

    async def check(self, accounts: Sequence[ProviderAccount] = ()) -> None:
        """What holds whenever everything has come to rest, whatever happened on the way."""
        await self._check_holds()
        await self._check_charges()
        await self._check_library()
        await self._check_events()
        assert await self.simulator.violations() == []
        for account in accounts:
            seen = await self.simulator.concurrency(account.name.removeprefix("PixVerse "))
            assert seen["peak"] <= account.max_concurrent_jobs

    async def _check_holds(self) -> None:
        assert await self.sql("SELECT * FROM reservations") == []
        held = "state IN ('reserved', 'submitting', 'in_doubt', 'accepted')"
        rows = await self.sql(f"SELECT id, state FROM provider_submissions WHERE {held}")
        assert rows == [], await self.story()
        assert await self.value(OPEN_JOBS) == 0

    async def _check_charges(self) -> None:
        """One charge at most per key and per job; each has its row, and each row its charge."""
        rows = await self.sql(
            "SELECT key, job_id, state, provider_job_id, provider_id FROM provider_submissions"
        )
        by_key = {row["key"]: row for row in rows if row["provider_id"] == "pixverse"}
        charged = await self.simulator.charges_by_trace()
        assert all(row["charges"] == 1 for row in charged.values()), charged
        assert charged.keys() <= by_key.keys(), "charged for something that we never recorded"
        for key, row in by_key.items():
            if row["provider_job_id"] is not None:
                assert key in charged, "accepted without a charge"
            if row["state"] in ("abandoned", "rejected"):
                assert key not in charged, f"charged, but {row['state']} here"
        per_job: Counter[UUID] = Counter(by_key[key]["job_id"] for key in charged)
        assert not [job for job, count in per_job.items() if count > 1], "a job was paid twice"

    async def _check_library(self) -> None:
        orphans = await self.sql(
            "SELECT j.id FROM jobs j LEFT JOIN assets a ON a.id = j.asset_id"
            " WHERE j.status = 'completed' AND a.id IS NULL"
        )
        assert orphans == []
        twice = await self.sql(
            "SELECT submission_id, output_no FROM assets WHERE submission_id IS NOT NULL"
            " GROUP BY 1, 2 HAVING count(*) > 1"
        )
        assert twice == []
        for row in await self.sql("SELECT DISTINCT sha256 FROM assets WHERE sha256 IS NOT NULL"):
            assert await self.container.store.exists(row[0])

    async def _check_events(self) -> None:
        """Each end is told once, and a completed job's story is whole."""
        twice = await self.sql(
            "SELECT job_id, type, count(*) FROM events"
            " WHERE type IN ('job:created', 'job:completed', 'job:cancelled')"
            " GROUP BY 1, 2 HAVING count(*) > 1"
        )
        assert twice == []
        told = await self.value("SELECT count(*) FROM events WHERE type = 'job:completed'")
        assert told == await self.value("SELECT count(*) FROM jobs WHERE status = 'completed'")


@asynccontextmanager
async def open_lab(
    settings: Settings, simulator: ControlClient, zygote: Zygote, logs: Path
) -> AsyncIterator[Lab]:
    """Everything but workers; those that the test left running are killed at the end."""
    container = await Container.open(settings, passwords=cheap_passwords())
    lab = Lab(container, settings, simulator, zygote, logs)
    try:
        yield lab
    finally:
        await lab.close()
        await container.close()
