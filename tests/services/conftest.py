"""The steps of a job by hand, so that a test can look between them; no worker runs here."""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import pytest
from sqlalchemy import text

from pixsim7_backend.bootstrap.container import Container
from pixsim7_backend.bootstrap.services import Services
from pixsim7_backend.domain import Asset, Job, ProviderSubmission, SubmissionState, User
from pixsim7_simulator import RunningSimulator
from tests.conftest import Factory

SUBMIT = "pixverse.video.text"
POLL = "pixverse.video.result"
FILE = "media.result"


T = TypeVar("T")


async def together(calls: Iterable[Awaitable[T]], at_once: int = 18) -> list[T | BaseException]:
    """Run calls in parallel, as many at once as there are connections; what each came to."""
    gate = asyncio.Semaphore(at_once)

    async def one(call: Awaitable[T]) -> T:
        async with gate:
            return await call

    return await asyncio.gather(*(one(call) for call in calls), return_exceptions=True)


@dataclass
class Lab:
    """One installation on a database of its own, the simulator as its vendor."""

    container: Container
    services: Services
    simulator: RunningSimulator
    make: Factory

    async def sql(self, statement: str, **values: Any) -> Sequence[Any]:
        """Run SQL behind the services' back; rows where there are some."""
        async with self.container.database.transaction() as tx:
            result = await tx.session.execute(text(statement), values)
            return result.all() if result.returns_rows else []  # type: ignore[attr-defined]

    async def scalar(self, statement: str, **values: Any) -> Any:
        rows = await self.sql(statement, **values)
        return rows[0][0] if rows else None

    async def submission(self, job: Job) -> ProviderSubmission:
        found = await self.services.providers.get_latest_submission(job.id)
        assert found is not None
        return found

    async def reserved(self, job: Job) -> ProviderSubmission:
        """Dispatch; the job's new attempt."""
        await self.services.dispatcher.dispatch(job.provider_id)
        submission = await self.submission(job)
        assert submission.state is SubmissionState.RESERVED
        return submission

    async def sent(self, job: Job) -> ProviderSubmission:
        """Dispatch and send once; the attempt as it is then."""
        submission = await self.reserved(job)
        await self.services.runner.submit(submission.id)
        return await self.submission(job)

    async def polled(self) -> int:
        """Poll all that is accepted now, whatever its time."""
        await self.sql(
            "UPDATE provider_submissions SET next_poll_at = clock_timestamp() - interval '1 s'"
            " WHERE next_poll_at IS NOT NULL"
        )
        return await self.services.poller.poll_due()

    async def job(self, job: Job) -> Job:
        """The job as it is now."""
        rows = await self.sql("SELECT user_id FROM jobs WHERE id = :id", id=job.id)
        owner = await self.services.users.get_user(rows[0][0])
        return await self.services.jobs.get_job_for_user(job.id, owner)

    async def completed(self, job: Job) -> Job:
        """From waiting to completed; its asset is not downloaded yet."""
        await self.sent(job)
        await self.polled()
        return await self.job(job)

    async def asset(self, asset_id: UUID | None, user: User) -> Asset:
        assert asset_id is not None
        return await self.services.assets.get_asset_for_user(asset_id, user)

    async def video(self, user: User, **values: Any) -> Asset:
        """A generated film, downloaded."""
        job = await self.completed(await self.make.job(user, **values))
        assert job.asset_id is not None, (job.error_message, job.waiting_reason)
        await self.services.ingest.ingest(job.asset_id)
        return await self.asset(job.asset_id, user)

    async def reservations(self) -> list[tuple[int, float]]:
        """(slot, credits held) of everything in use."""
        rows = await self.sql("SELECT slot_no, credits_held FROM reservations ORDER BY slot_no")
        return [(row[0], float(row[1])) for row in rows]

    async def events(self, job: Job) -> list[str]:
        rows = await self.sql("SELECT type FROM events WHERE job_id = :id ORDER BY id", id=job.id)
        return [row[0] for row in rows]

    async def charges(self) -> int:
        """How often the vendor took money; never twice for one key."""
        by_key = await self.simulator.charges_by_trace()
        assert all(row["charges"] <= 1 for row in by_key.values())
        return sum(row["charges"] for row in by_key.values())


@pytest.fixture
def lab(
    container: Container, services: Services, simulator: RunningSimulator, make: Factory
) -> Lab:
    return Lab(container, services, simulator, make)
