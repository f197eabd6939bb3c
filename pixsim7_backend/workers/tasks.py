"""The tasks of a worker: thin functions that call services. Safe to run twice or late."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

import structlog
from pgqueuer import Job as QueuedTask
from pgqueuer import PgQueuer
from pgqueuer.executors import DatabaseRetryEntrypointExecutor, EntrypointExecutorParameters
from pgqueuer.models import Schedule

from pixsim7_backend.bootstrap.services import Services
from pixsim7_backend.infrastructure.telemetry import TASKS

log = structlog.get_logger()

Handler = Callable[[str], Awaitable[object]]

MAX_ATTEMPTS = 12
"""Tries of a task that fails unexpectedly; then the sweeps take its subject up again."""


def control_tasks(services: Services) -> dict[str, Handler]:
    """Short tasks that move jobs along."""
    gate = DispatchGate(services.dispatcher.dispatch)

    def on_id(handler: Callable[[UUID], Awaitable[object]]) -> Handler:
        return lambda payload: handler(UUID(payload))

    return {
        "dispatch": gate.dispatch,
        "submit": on_id(services.runner.submit),
        "resolve": on_id(services.runner.resolve),
        "cancel_submission": on_id(services.runner.cancel_submission),
        "poll": lambda _: services.poller.poll_due(),
        "end_cooldown": on_id(services.accounts.end_cooldown),
        "sync_account": on_id(services.upkeep.sync_account),
    }


def media_tasks(services: Services) -> dict[str, Handler]:
    """Longer tasks that move bytes; a lane of their own, so that they never hold up a submit."""
    return {
        "ingest": lambda payload: services.ingest.ingest(UUID(payload)),
        "derive": lambda payload: services.ingest.derive(UUID(payload)),
    }


def register_tasks(queue: PgQueuer, tasks: dict[str, Handler]) -> None:
    """Bind handlers to the queue; an unexpected failure is tried again with growing pauses."""
    for name, handler in tasks.items():
        queue.entrypoint(name, executor_factory=_with_retries)(_measured(name, handler))


def register_schedules(queue: PgQueuer, services: Services) -> None:
    """Upkeep by the clock; of all workers, one runs each."""
    upkeep = services.upkeep
    for name, expression, method in (
        ("every_few_seconds", "* * * * * */5", upkeep.every_few_seconds),
        ("every_minute", "* * * * *", upkeep.every_minute),
        ("every_ten_minutes", "*/10 * * * *", upkeep.every_ten_minutes),
        ("every_hour", "7 * * * *", upkeep.every_hour),
    ):
        queue.schedule(name, expression)(_scheduled(name, method))


def _with_retries(parameters: EntrypointExecutorParameters) -> DatabaseRetryEntrypointExecutor:
    return DatabaseRetryEntrypointExecutor(parameters, max_attempts=MAX_ATTEMPTS)


def _measured(name: str, handler: Handler) -> Callable[[QueuedTask], Awaitable[None]]:
    async def run(task: QueuedTask) -> None:
        started = time.perf_counter()
        outcome = "ok"
        try:
            await handler((task.payload or b"").decode())
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


class DispatchGate:
    """Of many wake-ups for one provider, one runs and one waits; the rest are covered by it.

    A dispatch that has not begun will read everything that was committed before any wake-up that
    arrives meanwhile, so those have nothing to add.
    """

    def __init__(self, dispatch: Callable[[str], Awaitable[object]]) -> None:
        self._dispatch = dispatch
        self._turns: dict[str, _Turn] = {}

    async def dispatch(self, provider_id: str) -> None:
        turn = self._turns.setdefault(provider_id, _Turn(asyncio.Lock()))
        if turn.is_waiting:
            return
        turn.is_waiting = True
        try:
            await turn.running.acquire()
        finally:
            turn.is_waiting = False
        try:
            await self._dispatch(provider_id)
        finally:
            turn.running.release()
