"""Events as they happen: complete, in order, resumable, whatever commits when."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from sqlalchemy import insert, text

from pixsim7_backend.bootstrap.container import Container
from pixsim7_backend.domain import User
from pixsim7_backend.domain.event import EVENT_TYPES, CommittedEvent, Event
from pixsim7_backend.infrastructure.database.engine import Database
from pixsim7_backend.infrastructure.database.repositories.event import EventRepository
from pixsim7_backend.infrastructure.events import feed as feed_module
from pixsim7_backend.infrastructure.events.bus import EventBus, event_bus
from pixsim7_backend.infrastructure.events.feed import EventFeed, FeedItem
from tests.conftest import Factory, Recorder, eventually


async def tell(database: Database, user: User, number: int) -> None:
    async with database.transaction() as tx:
        tx.publish("user:updated", user_id=user.id, data={"n": number})


def numbers(items: list[FeedItem]) -> list[int]:
    return [item.data["data"]["n"] for item in items]


async def take(stream: AsyncGenerator[FeedItem, None], count: int) -> list[FeedItem]:
    async with asyncio.timeout(20):
        return [await anext(stream) for _ in range(count)]


class Listener:
    """A stream that is surely open: its first item has arrived."""

    def __init__(self, container: Container, user: User, position: str | None = None) -> None:
        self.container, self.user = container, user
        self.stream = container.feed.stream(user, position)

    async def opened(self) -> "Listener":
        first = asyncio.create_task(take(self.stream, 1))

        async def is_open() -> bool:
            return bool(self.container.feed._subscribers)

        await eventually(is_open)
        await tell(self.container.database, self.user, -1)
        async with asyncio.timeout(20):
            assert numbers(await first) == [-1]
        return self


async def test_what_happens_is_told_in_order(container: Container, make: Factory) -> None:
    user = await make.user()
    listener = await Listener(container, user).opened()
    for number in range(20):
        await tell(container.database, user, number)
    async with aclosing(listener.stream) as stream:
        assert numbers(await take(stream, 20)) == list(range(20))


async def test_people_hear_of_their_own_things_only(container: Container, make: Factory) -> None:
    user, other, admin = await make.user(), await make.user(), await make.user("admin")
    mine = await Listener(container, user).opened()
    house = await Listener(container, admin).opened()
    await tell(container.database, other, 1)
    async with container.database.transaction() as tx:
        tx.publish("account:updated", user_id=None, data={"n": 2})
    for person in (user, admin):
        await tell(container.database, person, 3)
    assert numbers(await take(mine.stream, 1)) == [3]
    assert numbers(await take(house.stream, 2)) == [2, 3]
    await mine.stream.aclose()
    await house.stream.aclose()


async def test_a_stream_resumes_from_every_position(container: Container, make: Factory) -> None:
    user = await make.user()
    listener = await Listener(container, user).opened()
    for number in range(12):
        await tell(container.database, user, number)
    items = await take(listener.stream, 12)
    await listener.stream.aclose()
    for index, item in enumerate(items[:-1]):
        async with aclosing(container.feed.stream(user, item.id)) as stream:
            assert numbers(await take(stream, 11 - index)) == list(range(index + 1, 12))
    async with aclosing(container.feed.stream(user, items[-1].id)) as stream:
        following = asyncio.create_task(take(stream, 1))
        await tell(container.database, user, 99)
        assert numbers(await following) == [99], "from replay to live without a gap"
    async with aclosing(container.feed.stream(user, "0-0")) as stream:
        everything = await take(stream, 15)
    assert everything[0].type == "user:created"
    assert numbers(everything[1:]) == [-1, *range(12), 99]


async def test_nothing_is_lost_when_transactions_commit_out_of_order(
    container: Container, make: Factory, recorder: Recorder
) -> None:
    """The lower number commits last: a reader that goes by the number alone would miss it."""
    database = container.database
    user = await make.user()
    await recorder.wait_for_type("user:created")
    held, release = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        async with database.transaction() as tx:
            await tx.session.execute(
                insert(Event).values(type="user:updated", user_id=user.id, data={"n": 1})
            )
            held.set()
            await release.wait()

    writing = asyncio.create_task(slow())
    await held.wait()
    for number in (2, 3):
        await tell(database, user, number)
    assert _numbers(recorder) == [], "nothing is told that could still be overtaken"
    release.set()
    await writing
    await recorder.wait_for_type("user:updated", 3)
    assert sorted(_numbers(recorder)) == [1, 2, 3]
    positions = [tuple(map(int, event.position.split("-"))) for event in recorder.events]
    assert positions == sorted(positions)


async def test_a_gated_event_follows_soon_and_does_not_wait_for_the_next_poll(
    container: Container, make: Factory, recorder: Recorder
) -> None:
    database = container.database
    user = await make.user()
    await recorder.wait_for_type("user:created")
    await tell(database, user, 1)
    held, release = asyncio.Event(), asyncio.Event()

    async def quiet() -> None:
        async with database.transaction() as tx:
            await tx.session.execute(text("SELECT pg_current_xact_id()"))
            held.set()
            await release.wait()

    other = asyncio.create_task(quiet())
    await held.wait()
    await tell(database, user, 2)
    await recorder.wait_for_type("user:updated", 1)
    release.set()
    await other
    started = asyncio.get_running_loop().time()
    await recorder.wait_for_type("user:updated", 2)
    assert asyncio.get_running_loop().time() - started < feed_module.POLL_S / 2


async def test_hundreds_of_parallel_writers_lose_nothing(
    container: Container, make: Factory, recorder: Recorder
) -> None:
    user = await make.user()
    await asyncio.gather(*(tell(container.database, user, number) for number in range(200)))
    await recorder.wait_for_type("user:updated", 200)
    assert sorted(_numbers(recorder)) == list(range(200))


async def test_the_order_is_that_of_numbers_also_where_they_grow_a_digit(
    container: Container, make: Factory
) -> None:
    """By their texts 100 comes before 99: events of 100 would be told twice, those of 99 never."""
    user = await make.user()
    async with container.database.transaction() as tx:
        await tx.session.execute(text("DELETE FROM events"))
        for xid in (101, 99, 100, 98):
            await tx.session.execute(
                text(
                    "INSERT INTO events (xid, type, user_id, data)"
                    " VALUES (CAST(:xid AS text)::xid8, 'user:updated', :user_id, '{}')"
                ),
                {"xid": str(xid), "user_id": user.id},
            )
    position, told = "0-0", []
    async with container.database.transaction() as tx:
        repository = EventRepository(tx.session)
        assert str(await repository.oldest()).startswith("98-")
        while events := await repository.read_after(position, 2):
            position = events[-1].position
            told += [event.position.split("-")[0] for event in events]
    assert told == ["98", "99", "100", "101"]


@pytest.mark.parametrize(
    "position", ["nonsense", "1-2-3", "-1", "99999999999999999999-1", "18446744073709551615-1"]
)
async def test_an_unknown_position_asks_for_a_fresh_start(
    container: Container, make: Factory, position: str
) -> None:
    user = await make.user()
    async with aclosing(container.feed.stream(user, position)) as stream:
        (item,) = await take(stream, 1)
    assert item.type == "resync"


async def test_a_position_older_than_what_is_kept_asks_for_a_fresh_start(
    container: Container, make: Factory
) -> None:
    user = await make.user()
    async with aclosing(container.feed.stream(user, "1-1")) as stream:
        (item,) = await take(stream, 1)
    assert (item.type, item.data["reason"]) == ("resync", "too old")


async def test_a_client_that_is_too_slow_is_told_so(
    container: Container, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "QUEUE_LIMIT", 5)
    user = await make.user()
    listener = await Listener(container, user).opened()
    (subscriber,) = container.feed._subscribers
    for number in range(10):
        await tell(container.database, user, number)

    async def overflowed() -> bool:
        return subscriber.overflowed

    await eventually(overflowed)
    assert (await take(listener.stream, 1))[0].type == "resync"
    await listener.stream.aclose()


async def test_streams_end_when_the_server_drains(container: Container, make: Factory) -> None:
    user = await make.user()
    listener = await Listener(container, user).opened()
    rest = asyncio.create_task(_all(listener.stream))
    container.feed.end_streams()
    async with asyncio.timeout(5):
        assert await rest == []


async def test_events_of_a_job_are_in_order_for_every_process(
    container: Container, make: Factory, recorder: Recorder
) -> None:
    """A second feed on the same database tells the same story."""
    heard: list[str] = []
    done = asyncio.Event()
    bus = EventBus()

    @bus.on("*")
    async def hear(event: CommittedEvent) -> None:
        if event.job_id is not None:
            heard.append(event.type)
        if event.type == "job:cancelled":
            done.set()

    second = EventFeed(container.database, bus)
    await second.start()
    user = await make.user()
    job = await make.job(user)
    await container.services.jobs.update_job(job.id, user, {"name": "Opening"})
    await container.services.jobs.cancel_job(job.id, user)
    async with asyncio.timeout(20):
        await done.wait()
    await recorder.wait_for_type("job:cancelled")
    await second.close()
    story = ["job:created", "job:updated", "job:cancelled"]
    assert heard == recorder.types(job) == story


# --- the bus ---


async def test_a_handler_that_fails_does_not_stop_the_others() -> None:
    bus = EventBus()
    heard: list[str] = []

    @bus.on("job:created")
    async def broken(event: CommittedEvent) -> None:
        raise RuntimeError("broken")

    @bus.on("job:created")
    async def one(event: CommittedEvent) -> None:
        heard.append("one")

    @bus.on()
    async def every(event: CommittedEvent) -> None:
        heard.append("every")

    event = CommittedEvent("1-1", 1, "job:created", None, None, None, None)
    await bus.deliver(event)
    bus.off(one)
    await bus.deliver(event)
    assert heard == ["one", "every", "every"]


def test_an_unlisted_type_cannot_be_listened_for() -> None:
    with pytest.raises(ValueError, match="job:exploded"):
        event_bus.on("job:exploded")


def test_every_type_is_an_area_and_a_verb_with_a_meaning() -> None:
    for type_, meaning in EVENT_TYPES.items():
        area, _, verb = type_.partition(":")
        assert area.isidentifier(), type_
        assert verb.isidentifier(), type_
        assert meaning


# --- pieces ---


def _numbers(recorder: Recorder) -> list[int]:
    return [event.data["n"] for event in recorder.events if event.type == "user:updated"]


async def _all(stream: AsyncGenerator[FeedItem, None]) -> list[FeedItem]:
    return [item async for item in stream]
