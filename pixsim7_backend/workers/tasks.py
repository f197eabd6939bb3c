"""The tasks of a worker: thin functions that call services. Safe to run twice or late."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from pgqueuer import Job as QueuedTask
from pgqueuer import PgQueuer, RetryRequested
from pgqueuer.executors import DatabaseRetryEntrypointExecutor, EntrypointExecutorParameters
from pgqueuer.models import Schedule

from pixsim7_backend.bootstrap.services import Services
from pixsim7_backend.infrastructure.database.errors import outlast_trouble
from pixsim7_backend.infrastructure.telemetry import TASKS

log = structlog.get_logger()

Handler = Callable[[str], Awaitable[object]]

MAX_ATTEMPTS = 12
"""Tries of a task that fails unexpectedly; then the sweeps take its subject up again."""
DATABASE_LIMIT_S = 60.0
"""A handler waits this long for a lost database before its task fails."""


def control_tasks(services: Services) -> dict[str, Handler]:
    """Short tasks that move jobs along."""

    def on_id(handler: Callable[[UUID], Awaitable[object]]) -> Handler:
        return lambda payload: handler(UUID(payload))

    return {
        "dispatch": WakeGate(services.dispatcher.dispatch).run,
        "submit": on_id(services.runner.submit),
        "resolve": on_id(services.runner.resolve),
        "cancel_submission": on_id(services.runner.cancel_submission),
        # Every sweep ends by enqueuing the next: ungated, busy times would multiply them.
        "poll": WakeGate(lambda _: services.poller.poll_due()).run,
        "end_cooldown": on_id(services.accounts.end_cooldown),
        "sync_account": on_id(services.upkeep.sync_account),
        "send_webhooks": on_id(services.webhook_sender.send),
    }


def media_tasks(services: Services) -> dict[str, Handler]:
    """Longer tasks that move bytes; a lane of their own, so that they never hold up a submit."""
    return {
        "ingest": lambda payload: services.ingest.ingest(UUID(payload)),
        "derive": lambda payload: services.ingest.derive(UUID(payload)),
    }


def register_tasks(
    queue: PgQueuer,
    tasks: dict[str, Handler],
    running: "RunningTasks",
    lost: asyncio.Event,
    skipped: Collection[str] = (),
) -> None:
    """Bind handlers to the queue; an unexpected failure is tried again with growing pauses.

    Skipped tasks stay in the queue for other workers. Once `lost` is set, the queue waits for no
    handler any more.
    """
    for name, handler in tasks.items():
        if name in skipped:
            continue
        queue.entrypoint(name, executor_factory=_with_retries)(
            _measured(name, handler, running, lost)
        )


def register_schedules(queue: PgQueuer, services: Services) -> None:
    """Upkeep by the clock; of all workers, one runs each. (The sweeps are not here: those who
    look for what the dead left behind must not themselves wait for a dead one's turn to end.)"""
    upkeep = services.upkeep
    for name, expression, method in (
        ("every_ten_minutes", "*/10 * * * *", upkeep.every_ten_minutes),
        ("every_hour", "7 * * * *", upkeep.every_hour),
    ):
        queue.schedule(name, expression)(_scheduled(name, method))


def _with_retries(parameters: EntrypointExecutorParameters) -> DatabaseRetryEntrypointExecutor:
    return DatabaseRetryEntrypointExecutor(parameters, max_attempts=MAX_ATTEMPTS)


class RunningTasks:
    """Handlers at work. They outlive a lane that broke off with its database connection: the
    answer to a paid call must still be heard and written down."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[object]] = set()

    async def run(self, handler: Handler, payload: str, lost: asyncio.Event) -> None:
        """Run to the end, or until `lost`: then the handler goes on without the queue, which is
        asked to bring the task again later, should we die with it."""

        async def whole() -> object:
            return await outlast_trouble(lambda: handler(payload), DATABASE_LIMIT_S)

        task = asyncio.create_task(whole())
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        losing = asyncio.create_task(lost.wait())
        try:
            await asyncio.wait([task, losing], return_when=asyncio.FIRST_COMPLETED)
        finally:
            losing.cancel()
        if not task.done():
            raise RetryRequested(delay=timedelta(seconds=DATABASE_LIMIT_S))
        task.result()

    def _ended(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waits has it; nobody may wait any more

    async def drained(self) -> None:
        """Return when nothing is at work any more."""
        while self._tasks:
            await asyncio.wait(self._tasks)


def _measured(
    name: str, handler: Handler, running: RunningTasks, lost: asyncio.Event
) -> Callable[[QueuedTask], Awaitable[None]]:
    async def run(task: QueuedTask) -> None:
        started = time.perf_counter()
        outcome = "ok"
        try:
            await running.run(handler, (task.payload or b"").decode(), lost)
        except RetryRequested:
            outcome = "detached"
            raise
        except Exception as error:
            outcome = "failed"
            log.warning("task_failed", task=name, attempt=task.attempts, error=repr(error))
            raise
        finally:
            TASKS.labels(name, outcome).observe(time.perf_counter() - started)

    return run


def _scheduled(
    name: str, method: Callable[[], Awaitable[None]]
) -> Callable[[Schedule], Awaitable[None]]:
    async def run(_: Schedule) -> None:
        try:
            await method()
        except Exception:
            log.exception("upkeep_failed", task=name)

    return run


@dataclass(slots=True)
class _Turn:
    running: asyncio.Lock
    is_waiting: bool = False


class WakeGate:
    """Of many wake-ups for one subject, one runs and one waits; the rest are covered by it.

    A run that has not begun will read everything that was committed before any wake-up that
    arrives meanwhile, so those have nothing to add.
    """

    def __init__(self, work: Callable[[str], Awaitable[object]]) -> None:
        self._work = work
        self._turns: dict[str, _Turn] = {}

    async def run(self, subject: str) -> None:
        turn = self._turns.setdefault(subject, _Turn(asyncio.Lock()))
        if turn.is_waiting:
            return
        turn.is_waiting = True
        try:
            await turn.running.acquire()
        finally:
            turn.is_waiting = False
        try:
            await self._work(subject)
        finally:
            turn.running.release()
