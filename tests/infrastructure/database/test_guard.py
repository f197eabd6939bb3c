"""No slow work inside a transaction."""

import asyncio

import pytest

from pixsim7_backend.infrastructure.database.guard import (
    assert_no_transaction,
    in_transaction,
    transaction_open,
)


def test_refuses_inside_and_allows_after() -> None:
    assert_no_transaction("HTTP request")
    with transaction_open():
        with transaction_open():
            assert in_transaction()
        with pytest.raises(RuntimeError, match="HTTP request inside an open"):
            assert_no_transaction("HTTP request")
    assert_no_transaction("HTTP request")


def test_is_cleared_by_an_exception() -> None:
    with pytest.raises(ValueError), transaction_open():
        raise ValueError
    assert not in_transaction()


async def test_tasks_do_not_see_each_other_but_children_inherit() -> None:
    inside = asyncio.Event()
    done = asyncio.Event()

    async def holds() -> bool:
        with transaction_open():
            inside.set()
            await done.wait()
            return await asyncio.create_task(sees())

    async def sees() -> bool:
        return in_transaction()

    holder = asyncio.create_task(holds())
    await inside.wait()
    assert not await asyncio.create_task(sees())
    done.set()
    assert await holder
