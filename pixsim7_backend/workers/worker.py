"""A worker: takes tasks from the queue until it is told to stop. Run any number, anywhere."""

import asyncio
import random
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import structlog
from pgqueuer import PgQueuer

from pixsim7_backend.bootstrap.container import Container
from pixsim7_backend.infrastructure.queue import give_back
from pixsim7_backend.shared.ids import new_id
from pixsim7_backend.workers.driver import lane_driver, queue_pool
from pixsim7_backend.workers.tasks import (
    RunningTasks,
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
MAX_PAUSE_S = 1.0
"""A lost database is looked for this often at least."""


class Worker:
    """Two lanes on one queue, control and media, and the sweeps. `run` returns after `stop`,
    drained."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._id = new_id()
        self._lanes: list[PgQueuer] = []
        self._earlier: list[UUID] = []
        """Owners, as the queue knows them, of tasks that this worker had taken in earlier lives."""
        self._running = RunningTasks()
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Work until `stop`. A lost database is waited for, not died of."""
        sweeps = asyncio.create_task(self._sweep())
        try:
            await self._work()
            await self._running.drained()
        finally:
            self._stopping.set()
            sweeps.cancel()
            await asyncio.wait([sweeps])
            await self._container.services.upkeep.sign_off(self._id)

    async def _work(self) -> None:
        pause = 0.25
        while not self._stopping.is_set():
            started = asyncio.get_running_loop().time()
            try:
                # A task of its own: before Python 3.13 a failed TaskGroup leaves its task with a
                # cancellation too many, and later timeouts in it would raise CancelledError.
                await asyncio.create_task(self._run_once())
            except Exception as error:  # an ExceptionGroup of whatever the lanes met
                if asyncio.get_running_loop().time() - started > MAX_PAUSE_S:
                    pause = 0.25
                log.warning("worker_lanes_failed", error=repr(error), retry_in_s=pause)
                await self._stopped_within(pause)
                pause = min(pause * 2, MAX_PAUSE_S)

    async def _run_once(self) -> None:
        settings = self._container.settings
        lost = asyncio.Event()
        async with queue_pool(self._container.database.url) as pool:
            services = self._container.services
            await give_back(pool, self._earlier)
            control = PgQueuer(await lane_driver(pool, lost))
            media = PgQueuer(await lane_driver(pool, lost))
            skipped = settings.skip_tasks
            register_tasks(control, control_tasks(services), self._running, lost, skipped)
            register_schedules(control, services)
            register_tasks(media, media_tasks(services), self._running, lost, skipped)
            self._lanes = [control, media]
            self._earlier = [lane.qm.queue_manager_id for lane in self._lanes]
            if self._stopping.is_set():
                return
            lease = timedelta(seconds=settings.task_lease_s)
            media_limit = max(2 * MEDIA_BATCH, 2 * settings.media_concurrency)
            log.info("worker_started")
            async with asyncio.TaskGroup() as group:
                group.create_task(self._end_when(lost, control.shutdown))
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
            if lost.is_set():
                log.warning("worker_connection_lost")
                pool.terminate()
        log.info("worker_stopped")

    async def _end_when(self, lost: asyncio.Event, shutdown: asyncio.Event) -> None:
        """When one lane has lost its connection, both end, and the worker begins anew."""
        events = [asyncio.create_task(event.wait()) for event in (lost, shutdown)]
        try:
            await asyncio.wait(events, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for event in events:
                event.cancel()
        for lane in self._lanes:
            lane.shutdown.set()

    async def _sweep(self) -> None:
        """Look for what was lost, in every worker: whoever is left finds what the dead left."""
        interval = self._container.settings.sweep_interval_s
        upkeep = self._container.services.upkeep
        while not self._stopping.is_set():
            await upkeep.beat(self._id)
            await upkeep.sweep()
            await self._stopped_within(interval * random.uniform(0.8, 1.2))  # noqa: S311

    async def _stopped_within(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    def stop(self) -> None:
        """Take no more tasks, finish those at hand."""
        self._stopping.set()
        for lane in self._lanes:
            lane.shutdown.set()
