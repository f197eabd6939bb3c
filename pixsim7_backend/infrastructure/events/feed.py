"""Committed events as they happen: one listener per process, any number of streams."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from pixsim7_backend.domain.event import CommittedEvent
from pixsim7_backend.domain.user import User
from pixsim7_backend.domain.vocabulary import UserRole
from pixsim7_backend.infrastructure.database.engine import EVENT_CHANNEL, Database
from pixsim7_backend.infrastructure.database.repositories.event import (
    BadPosition,
    EventRepository,
    parse_position,
)
from pixsim7_backend.infrastructure.events.bus import EventBus
from pixsim7_backend.infrastructure.telemetry import OPEN_STREAMS

log = structlog.get_logger()

BATCH = 500
POLL_S = 5.0
"""A lost notification costs at most this; NOTIFY is only a hint."""
GATE_RETRY_S = 0.02
MAX_GATE_RETRY_S = 0.5
"""An older transaction was still open: look again this soon, then ever later."""
MAX_LISTEN_PAUSE_S = 2.0
"""A lost database is looked for this often at least."""
QUEUE_LIMIT = 2000


@dataclass(frozen=True, slots=True)
class FeedItem:
    """One thing to tell a client. `resync`: too much was missed, read everything anew."""

    id: str
    type: str
    data: dict[str, Any]


class _Subscriber:
    def __init__(self, user_id: UUID, with_house: bool) -> None:
        self.user_id = user_id
        self.with_house = with_house
        self.queue: asyncio.Queue[CommittedEvent | None] = asyncio.Queue(QUEUE_LIMIT)
        self.overflowed = False

    def offer(self, event: CommittedEvent) -> None:
        if event.user_id != self.user_id and not (self.with_house and event.user_id is None):
            return
        try:
            self.queue.put_nowait(event)
        except asyncio.QueueFull:
            self.overflowed = True


class EventFeed:
    """Reads events once per process and hands them to the bus and to streams."""

    def __init__(self, database: Database, bus: EventBus) -> None:
        self._db = database
        self._bus = bus
        self._position = ""
        self._wake = asyncio.Event()
        self._subscribers: set[_Subscriber] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._is_closed = False

    async def start(self) -> None:
        """Begin at the present; earlier events are for `stream(last_event_id)`."""
        self._is_closed = False
        async with self._db.transaction() as tx:
            self._position = await EventRepository(tx.session).head()
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._read())]

    def end_streams(self) -> None:
        """Let every stream end, so that a draining server can stop."""
        self._is_closed = True
        for subscriber in self._subscribers:
            with suppress(asyncio.QueueFull):
                subscriber.queue.put_nowait(None)

    async def close(self) -> None:
        """End every stream and stop reading."""
        self.end_streams()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def _listen(self) -> None:
        """Keep one connection listening; reconnect with growing pauses."""
        pause = 0.5
        while True:
            try:
                connection = await asyncpg.connect(self._db.url)
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(pause)
                pause = min(pause * 2, MAX_LISTEN_PAUSE_S)
                continue
            pause = 0.5
            lost = asyncio.Event()
            connection.add_termination_listener(lambda _, lost=lost: lost.set())
            try:
                await connection.add_listener(EVENT_CHANNEL, lambda *_: self._wake.set())
                self._wake.set()
                await lost.wait()
                log.warning("event_listener_lost")
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(pause)
            finally:
                with suppress(Exception):
                    connection.terminate()

    async def _read(self) -> None:
        while True:
            # Not `wait_for`: on Python 3.11 it loses a cancellation that meets a wake-up.
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._wake.wait()
            self._wake.clear()
            if not self._subscribers and not self._bus.has_handlers:
                continue
            try:
                wait = GATE_RETRY_S
                # Behind an older transaction that is still open there is more to come.
                while await self._read_new() and not self._wake.is_set():
                    await asyncio.sleep(wait)
                    wait = min(wait * 2, MAX_GATE_RETRY_S)
            except asyncio.CancelledError:
                raise
            except Exception as error:
                log.warning("event_feed_failed", error=type(error).__name__)
                await asyncio.sleep(1.0)

    async def _read_new(self) -> bool:
        """Hand on all that may be read; True when committed events wait behind an older
        transaction."""
        while True:
            async with self._db.transaction() as tx:
                repository = EventRepository(tx.session)
                # Asked first: each statement sees a later state than the one before, and a gate
                # that opens in between must lead to another look, not to none.
                is_gated = await repository.is_gated()
                events = await repository.read_after(self._position, BATCH)
            for event in events:
                self._position = event.position
                for subscriber in self._subscribers:
                    subscriber.offer(event)
                await self._bus.deliver(event)
            if len(events) < BATCH:
                return is_gated

    async def stream(
        self, user: User, last_event_id: str | None = None
    ) -> AsyncGenerator[FeedItem, None]:
        """The person's events from now on, or from a position on; ends when the server drains."""
        subscriber = _Subscriber(user.id, user.role is UserRole.ADMIN)
        if not self._subscribers:
            # Nobody listened: what happened meanwhile is not for this stream.
            async with self._db.transaction() as tx:
                head = await EventRepository(tx.session).head()
            if not self._subscribers and not self._bus.has_handlers:
                self._position = head
        start = self._position
        self._subscribers.add(subscriber)
        # What was committed since may have been announced while nobody listened.
        self._wake.set()
        OPEN_STREAMS.inc()
        try:
            sent = start
            if last_event_id is not None:
                async for item in self._replay(user, last_event_id, start):
                    yield item
            while not self._is_closed:
                event = await subscriber.queue.get()
                if event is None:
                    return
                if subscriber.overflowed:
                    subscriber.overflowed = False
                    yield FeedItem(event.position, "resync", {"reason": "too slow"})
                if _key(event.position) > _key(sent):
                    yield _item(event)
        finally:
            self._subscribers.discard(subscriber)
            OPEN_STREAMS.dec()

    async def _replay(self, user: User, position: str, until: str) -> AsyncIterator[FeedItem]:
        """What was missed, up to where the live queue begins."""
        try:
            parse_position(position)
        except BadPosition:
            yield FeedItem(until, "resync", {"reason": "unknown position"})
            return
        async with self._db.transaction() as tx:
            oldest = await EventRepository(tx.session).oldest()
        # With nothing kept, what came after the position is gone with it.
        is_gone = oldest is None or _key(position) < _key(oldest)
        if is_gone and _key(position) < _key(until) and position != "0-0":
            yield FeedItem(until, "resync", {"reason": "too old"})
            return
        if _key(position) > _key(until):
            # A position of the future comes from another database.
            if int(position.split("-")[0]) > int(until.split("-")[0]) + 1_000_000:
                yield FeedItem(until, "resync", {"reason": "unknown position"})
            return
        while True:
            async with self._db.transaction() as tx:
                events = await EventRepository(tx.session).read_after(
                    position,
                    BATCH,
                    user_id=user.id,
                    with_house=user.role is UserRole.ADMIN,
                )
            for event in events:
                if _key(event.position) > _key(until):
                    return
                position = event.position
                yield _item(event)
            if len(events) < BATCH:
                return


def _key(position: str) -> tuple[int, int]:
    xid, number = parse_position(position)
    return int(xid), number


def _item(event: CommittedEvent) -> FeedItem:
    return FeedItem(event.position, event.type, event.public())
