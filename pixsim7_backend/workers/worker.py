"""A worker: takes tasks from the queue until it is told to stop. Run any number, anywhere."""

import asyncio
from datetime import timedelta

import asyncpg
import structlog
from pgqueuer import AsyncpgPoolDriver, PgQueuer
from pgqueuer.domain.settings import db_settings

from pixsim7_backend.bootstrap.container import Container
from pixsim7_backend.workers.tasks import (
    control_tasks,
    media_tasks,
    register_schedules,
    register_tasks,
)

log = structlog.get_logger()

DRAIN_S = 120.0
LISTEN_POLL_S = 5.0
"""NOTIFY is a hint: the queue is looked at this often in any case."""
CONTROL_BATCH = 10
MEDIA_BATCH = 2


class Worker:
    """Two lanes on one queue: control and media. `run` returns after `stop`, drained."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._lanes: list[PgQueuer] = []
        self._is_stopping = False

    async def run(self) -> None:
        """Work until `stop`. A lost database is waited for, not died of."""
        pause = 0.5
        while not self._is_stopping:
            try:
                await self._run_once()
                pause = 0.5
            except Exception as error:  # an ExceptionGroup of whatever the lanes met
                log.warning("worker_lanes_failed", error=repr(error), retry_in_s=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 10.0)

    async def _run_once(self) -> None:
        settings = self._container.settings
        async with asyncpg.create_pool(
            self._container.database.url,
            min_size=2,
            max_size=8,
            server_settings={"application_name": "pixsim7-worker", "jit": "off"},
        ) as pool:
            services = self._container.services
            control = PgQueuer(await _listening_driver(pool))
            media = PgQueuer(await _listening_driver(pool))
            register_tasks(control, control_tasks(services))
            register_schedules(control, services)
            register_tasks(media, media_tasks(services))
            self._lanes = [control, media]
            lease = timedelta(seconds=settings.task_lease_s)
            media_limit = max(2 * MEDIA_BATCH, 2 * settings.media_concurrency)
            log.info("worker_started")
            async with asyncio.TaskGroup() as group:
                group.create_task(
                    control.run(
                        dequeue_timeout=timedelta(seconds=LISTEN_POLL_S),
                        batch_size=CONTROL_BATCH,
                        max_concurrent_tasks=settings.worker_concurrency,
                        heartbeat_timeout=lease,
                        shutdown_on_listener_failure=True,
                    )
                )
                group.create_task(
                    media.run(
                        dequeue_timeout=timedelta(seconds=LISTEN_POLL_S),
                        batch_size=MEDIA_BATCH,
                        max_concurrent_tasks=media_limit,
                        heartbeat_timeout=lease,
                        shutdown_on_listener_failure=True,
                    )
                )
        log.info("worker_stopped")

    def stop(self) -> None:
        """Take no more tasks, finish those at hand."""
        self._is_stopping = True
        for lane in self._lanes:
            lane.shutdown.set()


async def _listening_driver(pool: asyncpg.Pool) -> AsyncpgPoolDriver:
    """A driver that listens already: PgQueuer sends its first health probe before its LISTEN, and
    would wait ten seconds for an answer that nobody heard."""
    driver = AsyncpgPoolDriver(pool)
    await driver.add_listener(db_settings().channel, lambda _: None)
    return driver
