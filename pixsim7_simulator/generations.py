"""The vendor-neutral life of a generation: charged at submit, ended by the clock."""

import asyncio
import heapq
import itertools
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pixsim7_simulator.accounts import Account, Taken
from pixsim7_simulator.clock import Clock
from pixsim7_simulator.config import Settings
from pixsim7_simulator.interpret import Plan
from pixsim7_simulator.journal import Journal
from pixsim7_simulator.media import MediaSpec


class Outcome(StrEnum):
    DONE = "done"
    FAILED = "failed"
    FILTERED = "filtered"
    DELETED = "deleted"
    OTHER = "other"  # a status word outside the vendor's documentation


REFUNDED = frozenset({Outcome.FAILED, Outcome.FILTERED})


class State(StrEnum):
    QUEUED = "queued"
    PROCESSING = "processing"
    FINISHED = "finished"


class OverLimitError(Exception):
    """All concurrency slots of the account are taken."""


class NoCreditsError(Exception):
    """The balance does not cover the cost."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a dialect asks for, already validated."""

    operation: str
    endpoint: str
    trace_id: str
    cost: int
    seconds: float
    media: MediaSpec
    outcome: Outcome
    params: dict[str, Any]
    seed: int
    origin: str


@dataclass(slots=True)
class Generation:
    id: int
    account: Account
    order: Order
    plan: Plan
    taken: Taken
    token: str
    created_at: float
    starts_at: float
    ready_at: float
    finished_at: float | None = None
    holds_slot: bool = True
    polls: int = 0
    url_expires_at: float = field(default=float("inf"))

    @property
    def prompt(self) -> str:
        return str(self.order.params.get("prompt", ""))

    @property
    def url(self) -> str:
        return f"{self.order.origin}/media/{self.token}/{self.id}.{self.order.media.suffix}"

    def state(self, now: float) -> State:
        if self.finished_at is not None:
            return State.FINISHED
        return State.QUEUED if now < self.starts_at else State.PROCESSING

    def report(self, now: float) -> dict[str, object]:
        return {
            "id": self.id,
            "account": self.account.key,
            "operation": self.order.operation,
            "trace_id": self.order.trace_id,
            "state": self.state(now),
            "outcome": self.order.outcome,
            "cost": self.order.cost,
            "params": self.order.params,
            "seed": self.order.seed,
            "polls": self.polls,
            "holds_slot": self.holds_slot,
            "created_at": self.created_at,
            "finished_at": self.finished_at,
            "url": self.url if self.finished_at and self.order.outcome is Outcome.DONE else "",
        }


class Generations:
    """Owns every generation; `settle` makes all that is due happen, before each request too."""

    def __init__(self, clock: Clock, journal: Journal, settings: Settings) -> None:
        self._clock, self._journal, self._settings = clock, journal, settings
        self._by_id: dict[int, Generation] = {}
        self._by_token: dict[str, Generation] = {}
        self._due: list[tuple[float, int, Callable[[Generation], None], Generation]] = []
        self._order = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = float("inf")
        self._finished: list[Callable[[Generation], None]] = []
        clock.on_advance(self.settle)

    def __iter__(self) -> Iterator[Generation]:
        return iter(self._by_id.values())

    def get(self, generation_id: int) -> Generation | None:
        return self._by_id.get(generation_id)

    def by_token(self, token: str) -> Generation | None:
        return self._by_token.get(token)

    def on_finished(self, listener: Callable[[Generation], None]) -> None:
        self._finished.append(listener)

    def submit(self, account: Account, order: Order, plan: Plan) -> Generation:
        """Charge, take a slot and start, or raise and do nothing but record the attempt."""
        now = self._clock.now()
        if account.running >= account.concurrent:
            account.over_limit += 1
            self._violation(account, order, "over_limit")
            raise OverLimitError
        if account.balance < order.cost:
            self._violation(account, order, "no_credits")
            raise NoCreditsError
        seconds = plan.slow_seconds if plan.slow_seconds is not None else order.seconds
        generation = Generation(
            id=new_id(),
            account=account,
            order=order,
            plan=plan,
            taken=account.take(order.cost),
            token=secrets.token_urlsafe(16),
            created_at=now,
            starts_at=now + self._settings.queue_seconds,
            ready_at=float("inf") if plan.never else now + self._settings.queue_seconds + seconds,
        )
        self._by_id[generation.id] = self._by_token[generation.token] = generation
        self._money(generation, "charge")
        account.occupy()
        self._slot(generation, "start")
        if generation.ready_at > now + self._settings.stuck_release_seconds:
            self._schedule(
                now + self._settings.stuck_release_seconds, self._release_stuck, generation
            )
        if not plan.never:
            self._schedule(generation.ready_at, self.finish, generation)
        return generation

    def finish(self, generation: Generation) -> None:
        """End it now with its outcome; a second call changes nothing."""
        if generation.finished_at is not None:
            return
        generation.finished_at = max(
            generation.created_at, min(self._clock.now(), generation.ready_at)
        )
        ttl = (
            generation.plan.url_ttl
            if generation.plan.url_ttl is not None
            else self._settings.url_ttl_seconds
        )
        if ttl is not None:
            generation.url_expires_at = generation.finished_at + ttl
        self._release(generation, "stop")
        if generation.order.outcome in REFUNDED:
            generation.account.give_back(generation.taken)
            self._money(generation, "refund")
        for listener in self._finished:
            listener(generation)

    def settle(self) -> None:
        now = self._clock.now()
        while self._due and self._due[0][0] <= now:
            _, _, happen, generation = heapq.heappop(self._due)
            happen(generation)
        self._arm()

    def clear(self) -> None:
        self._by_id.clear()
        self._by_token.clear()
        self._due.clear()
        self._arm()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _schedule(
        self, due: float, happen: Callable[[Generation], None], generation: Generation
    ) -> None:
        heapq.heappush(self._due, (due, next(self._order), happen, generation))
        self._arm()

    def _arm(self) -> None:
        """One timer for the earliest due time; requests settle by themselves, so it may be late."""
        due = self._due[0][0] if self._due else float("inf")
        if due == self._timer_due and self._timer is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_due = due
        if due < float("inf") and (delay := self._clock.real_delay(due)) is not None:
            self._timer = asyncio.get_running_loop().call_later(delay, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.settle()

    def _release_stuck(self, generation: Generation) -> None:
        if generation.finished_at is None:
            self._release(generation, "stuck_release")

    def _release(self, generation: Generation, event: str) -> None:
        if generation.holds_slot:
            generation.holds_slot = False
            generation.account.running -= 1
            self._slot(generation, event)

    def _money(self, generation: Generation, kind: str) -> None:
        self._journal.add(
            "charges",
            at=self._clock.now(),
            kind=kind,
            account=generation.account.key,
            video_id=generation.id,
            trace_id=generation.order.trace_id,
            operation=generation.order.operation,
            amount=generation.order.cost,
            balance_after=generation.account.balance,
        )

    def _slot(self, generation: Generation, event: str) -> None:
        self._journal.add(
            "slots",
            at=self._clock.now(),
            event=event,
            account=generation.account.key,
            video_id=generation.id,
            running=generation.account.running,
            slot_limit=generation.account.concurrent,
        )

    def _violation(self, account: Account, order: Order, kind: str) -> None:
        self._journal.add(
            "violations",
            at=self._clock.now(),
            kind=kind,
            account=account.key,
            trace_id=order.trace_id,
            endpoint=order.endpoint,
            running=account.running,
            slot_limit=account.concurrent,
            balance=account.balance,
            cost=order.cost,
        )


def new_id() -> int:
    """18 digits and odd: a client that parses numbers as doubles gets it wrong, never lucky."""
    return 10**17 + secrets.randbelow(9 * 10**17 // 2) * 2 + 1
