"""Transactions: joined, rolled back, and never open while something slow is done."""

import asyncio

import pytest
from sqlalchemy import text

from pixsim7_backend.bootstrap.container import Container
from pixsim7_backend.domain import User
from pixsim7_backend.infrastructure.database.engine import Database
from pixsim7_backend.infrastructure.database.errors import DatabaseUnavailable
from pixsim7_backend.infrastructure.database.guard import in_transaction
from pixsim7_backend.infrastructure.http_policy import Purpose
from tests.conftest import Factory


async def count(database: Database, what: str) -> int:
    async with database.transaction() as tx:
        return int(await tx.session.scalar(text(f"SELECT count(*) FROM {what}")) or 0)


async def test_an_inner_block_joins_the_outer_one(container: Container, make: Factory) -> None:
    database = container.database
    user = await make.user()
    before = await count(database, "events")

    async def cut_short() -> None:
        async with database.transaction() as outer:
            async with database.transaction() as inner:
                assert inner is outer
                inner.publish("user:updated", user_id=user.id)
                inner.enqueue("dispatch", "pixverse")
            await container.services.workspaces.create(user, "Trailers")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        await cut_short()
    assert await count(database, "events") == before
    assert await count(database, "workspaces") == 0
    assert await count(database, "pgqueuer") == 0


async def test_rows_events_and_tasks_appear_together(container: Container, make: Factory) -> None:
    database = container.database
    user = await make.user()
    before = await count(database, "events")
    async with database.transaction() as tx:
        tx.publish("user:updated", user_id=user.id)
        tx.enqueue("dispatch", "pixverse")
        tx.enqueue("dispatch", "pixverse")

        async def seen_from_outside() -> tuple[int, int]:
            return await count(database, "events"), await count(database, "pgqueuer")

        assert await asyncio.create_task(seen_from_outside()) == (before, 0)
    assert await count(database, "events") == before + 1
    assert await count(database, "pgqueuer") == 1, "the same task is enqueued once"


async def test_who_loses_a_deadlock_keeps_nothing_and_is_told_to_come_again(
    container: Container, make: Factory
) -> None:
    database = container.database
    people = [await make.user(), await make.user()]
    both_hold_one = asyncio.Barrier(2)

    async def rename(first: User, second: User) -> None:
        async with database.transaction() as tx:
            tx.publish("user:updated", user_id=first.id)
            for person in (first, second):
                await tx.session.execute(
                    text("UPDATE users SET username = :name WHERE id = :id"),
                    {"name": f"{first.username}-{person.username}", "id": person.id},
                )
                if person is first:
                    await both_hold_one.wait()

    before = await count(database, "events")
    ends = await asyncio.gather(rename(*people), rename(*reversed(people)), return_exceptions=True)
    (lost,) = [end for end in ends if end is not None]
    assert isinstance(lost, DatabaseUnavailable)
    assert lost.retry_after_s == 2
    assert await count(database, "events") == before + 1
    winner = people[0 if ends[0] is None else 1]
    kept = f"users WHERE username LIKE '{winner.username}-%'"
    assert await count(database, kept) == 2


async def test_a_child_task_has_a_transaction_of_its_own(container: Container) -> None:
    database = container.database

    async def backend() -> int:
        async with database.transaction() as tx:
            return int(await tx.session.scalar(text("SELECT pg_backend_pid()")) or 0)

    async with database.transaction():
        mine = await backend()
        others = await asyncio.gather(*(asyncio.create_task(backend()) for _ in range(3)))
        assert await backend() == mine
    assert mine not in others


async def test_an_unlisted_event_type_is_refused(container: Container) -> None:
    with pytest.raises(ValueError, match="job:exploded"):
        async with container.database.transaction() as tx:
            tx.publish("job:exploded", user_id=None)


async def test_nothing_slow_is_done_inside_a_transaction(
    container: Container, make: Factory
) -> None:
    http = container.gateway.client(allowed_origins=None, purpose=Purpose.USER_URL)
    async with container.database.transaction():
        assert in_transaction()
        with pytest.raises(RuntimeError, match="inside an open database transaction"):
            await http.request("GET", "https://example.com/")
        with pytest.raises(RuntimeError, match="inside an open database transaction"):
            async with container.store.stage(max_bytes=10):
                pass
        with pytest.raises(RuntimeError, match="inside an open database transaction"):
            await container.store.delete("0" * 64)
    assert not in_transaction()


async def test_cancelled_work_leaves_no_connection_behind(container: Container) -> None:
    database = container.database

    async def slow(number: int) -> None:
        async with database.transaction() as tx:
            await tx.session.execute(text("SELECT pg_sleep(:s)"), {"s": number % 5 / 1000})
            tx.publish("user:updated", user_id=None)

    for _ in range(20):
        tasks = [asyncio.create_task(slow(number)) for number in range(10)]
        await asyncio.sleep(0.002)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    async with database.transaction() as tx:
        idle = await tx.session.scalar(
            text(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND state = 'idle in transaction'"
            )
        )
    assert idle == 0


async def test_rows_stay_readable_after_the_commit(container: Container, make: Factory) -> None:
    user: User = await make.user()
    async with container.database.transaction():
        again = await container.services.users.get_user(user.id)
    assert (again.email, again.created_at) == (user.email, user.created_at)
