"""What every test stands on: a real PostgreSQL, real services, a real simulator."""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from pixsim7_backend.bootstrap.container import Container
from pixsim7_backend.bootstrap.services import Services
from pixsim7_backend.domain import Job, ProviderAccount, User
from pixsim7_backend.domain.event import CommittedEvent
from pixsim7_backend.infrastructure.database.embedded import EmbeddedPostgres, EmbeddedServer
from pixsim7_backend.infrastructure.database.migrate import migrate
from pixsim7_backend.infrastructure.events.bus import event_bus
from pixsim7_backend.infrastructure.security.passwords import PasswordHashing
from pixsim7_backend.shared.config import Settings, load_settings
from pixsim7_backend.workers.worker import Worker
from pixsim7_simulator import AccountSpec, RunningSimulator, running_simulator

PASSWORD = "correct horse battery"
STORY = [
    "job:created",
    "account:selected",
    "provider:submitted",
    "job:started",
    "provider:completed",
    "asset:created",
    "job:completed",
    "asset:downloaded",
]
"""What is told of a job that goes well, in order."""
_numbers = itertools.count(1)


# --- database ---------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedServer]:
    """One server per test process, with fsync off."""
    with TemporaryDirectory(prefix="px7-tests-", dir="/tmp") as directory:
        os.chmod(directory, 0o711)  # the server runs as another user when we are root
        server = EmbeddedPostgres(Path(directory) / "pg", durable=False)
        try:
            yield server.start()
        finally:
            server.stop()


def _named(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


async def _admin(server: EmbeddedServer, *statements: str) -> None:
    connection = await asyncpg.connect(server.admin_url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
async def template(postgres: EmbeddedServer) -> str:
    """The name of this process's database, with the schema in it."""
    await migrate(postgres.url)
    return urlsplit(postgres.url).path.lstrip("/")


@asynccontextmanager
async def cloned_database(postgres: EmbeddedServer, template: str) -> AsyncIterator[str]:
    """A fresh, migrated database, gone after the block."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    owner = urlsplit(postgres.url).username
    await _admin(
        postgres, f"CREATE DATABASE {name} TEMPLATE {template} OWNER {owner} STRATEGY FILE_COPY"
    )
    try:
        yield _named(postgres.url, name)
    finally:
        await _admin(postgres, f"DROP DATABASE {name} WITH (FORCE)")


_KEPT = ("alembic_version", "state_transitions")

_EMPTY = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid();
    SET session_replication_role = replica;
    DO $$
    DECLARE name text;
    BEGIN
        FOR name IN SELECT tablename FROM pg_tables
            WHERE schemaname = 'public' AND tablename <> ALL ({kept})
        LOOP
            EXECUTE format('DELETE FROM %I', name);
        END LOOP;
    END $$;
    RESET session_replication_role;
"""


@pytest.fixture
async def database_url(postgres: EmbeddedServer, template: str) -> AsyncIterator[str]:
    """A migrated database that is empty again after the test. A clone per test took ten times as
    long; a test that changes the schema makes a database of its own."""
    yield postgres.url
    admin = await asyncpg.connect(_named(postgres.admin_url, template))
    try:
        await admin.execute(_EMPTY.format(kept=f"ARRAY{list(_KEPT)}"))
    finally:
        await admin.close()


# --- the application --------------------------------------------------------------------------


@pytest.fixture
async def simulator() -> AsyncIterator[RunningSimulator]:
    """PixVerse on loopback, instant, with two accounts."""
    accounts = (
        AccountSpec(key="sk-test-1", credits=100_000, concurrent=5),
        AccountSpec(key="sk-test-2", credits=100_000, concurrent=5),
    )
    async with running_simulator(accounts=accounts, generation_seconds=0.0) as running:
        yield running


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return load_settings(
        env="test",
        data_dir=tmp_path / "data",
        database_url=database_url,
        database_pool_size=10,
        doubt_deadline_s=2.0,
        poll_pace=0.02,  # the simulator is quick; the vendor's pace is not the test's
        render_concurrency=1,
        default_max_daily_jobs=None,
        default_max_concurrent_jobs=None,
    )


def allowing(settings: Settings, *origins: str) -> Settings:
    """The same settings, with these private origins allowed."""
    return settings.model_copy(update={"allow_private_origins": frozenset(origins)})


def cheap_passwords() -> PasswordHashing:
    return PasswordHashing(memory_kib=64, time_cost=1)


@pytest.fixture
async def container(settings: Settings, simulator: RunningSimulator) -> AsyncIterator[Container]:
    """Everything wired, on a fresh database, allowed to reach the simulator; no worker."""
    opened = await Container.open(allowing(settings, simulator.url), passwords=cheap_passwords())
    yield opened
    await opened.close()


@pytest.fixture
def services(container: Container) -> Services:
    return container.services


@asynccontextmanager
async def running_worker(container: Container) -> AsyncIterator[Worker]:
    worker = Worker(container)
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await task


@pytest.fixture
async def worker(container: Container) -> AsyncIterator[Worker]:
    """A worker in this process."""
    async with running_worker(container) as running:
        yield running


# --- people, accounts, events -----------------------------------------------------------------


@dataclass
class Factory:
    """Makes what tests need, with sensible defaults."""

    services: Services
    simulator: RunningSimulator

    async def user(self, role: str = "user", **quotas: Any) -> User:
        number = next(_numbers)
        return await self.services.users.create_user(
            f"user{number}@example.com", f"user{number}", PASSWORD, role, **quotas
        )

    async def pixverse_account(
        self,
        owner: User | None = None,
        *,
        key: str = "sk-test-1",
        credits: Decimal | None = Decimal(10_000),
        **values: Any,
    ) -> ProviderAccount:
        """An account pointing at the simulator; shared unless it has an owner."""
        values = {"is_shared": owner is None, "max_concurrent_jobs": 5, **values}
        return await self.services.accounts.create_account(
            owner,
            "pixverse",
            values.pop("name", f"PixVerse {key}"),
            {"api_key": key},
            main_secret=key,
            base_url=self.simulator.pixverse_url,
            credits=credits,
            **values,
        )

    async def job(self, user: User, provider_id: str = "pixverse", **values: Any) -> Job:
        params = values.pop("params", {"prompt": "sunset over mountains", "quality": "360p"})
        return await self.services.jobs.create_job(
            user, values.pop("operation_type", "text_to_video"), provider_id, params, **values
        )


@pytest.fixture
def make(services: Services, simulator: RunningSimulator) -> Factory:
    return Factory(services, simulator)


@dataclass
class Recorder:
    """Every event of this test's database, in order."""

    events: list[CommittedEvent]
    _changed: asyncio.Condition

    def types(self, job: Job | None = None) -> list[str]:
        return [e.type for e in self.events if job is None or e.job_id == job.id]

    async def wait_for(
        self, condition: Callable[[list[CommittedEvent]], bool], timeout_s: float = 30
    ) -> None:
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(lambda: condition(self.events))

    async def wait_for_type(self, type: str, count: int = 1, timeout_s: float = 30) -> None:
        await self.wait_for(lambda events: sum(e.type == type for e in events) >= count, timeout_s)


@pytest.fixture
async def recorder(container: Container) -> AsyncIterator[Recorder]:
    recorder = Recorder([], asyncio.Condition())

    @event_bus.on("*")
    async def remember(event: CommittedEvent) -> None:
        async with recorder._changed:
            recorder.events.append(event)
            recorder._changed.notify_all()

    yield recorder
    event_bus.off(remember)


async def eventually(
    probe: Callable[[], Awaitable[bool]], timeout_s: float = 30, every_s: float = 0.02
) -> None:
    """Poll a predicate with a deadline; only for what no event tells."""
    async with asyncio.timeout(timeout_s):
        while not await probe():  # noqa: ASYNC110 - rows of a database set no event
            await asyncio.sleep(every_s)


async def job_ended(services: Services, job: Job, user: User, timeout_s: float = 30) -> Job:
    """Wait until a job is final or needs a person."""

    async def ended() -> bool:
        nonlocal job
        job = await services.jobs.get_job_for_user(job.id, user)
        return job.is_final or job.attention_code is not None

    await eventually(ended, timeout_s)
    return job
