"""Every pair of states, walked against the database itself by plain SQL."""

from collections.abc import AsyncIterator
from enum import StrEnum
from itertools import product
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from pixsim7_backend.domain import MACHINES
from pixsim7_backend.domain.state_machine import StateMachine

Machine = StateMachine[Any]


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    opened = await asyncpg.connect(database_url)
    yield opened
    await opened.close()


async def rows(connection: asyncpg.Connection) -> dict[str, Any]:
    """One row of each kind that has a life."""
    ids = {
        name: uuid4()
        for name in ("user", "account", "job", "submission", "asset", "webhook", "delivery")
    }
    await connection.execute(
        "INSERT INTO users (id, email, username, password_hash, role)"
        " VALUES ($1, 'a@b', 'a', '', 'user')",
        ids["user"],
    )
    await connection.execute(
        "INSERT INTO provider_accounts (id, provider_id, name, is_shared, status)"
        " VALUES ($1, 'local', 'x', true, 'active')",
        ids["account"],
    )
    await connection.execute(
        "INSERT INTO jobs (id, user_id, provider_id, operation_type, params, status, available_at)"
        " VALUES ($1, $2, 'local', 'text_to_video', '{}', 'pending', now())",
        ids["job"],
        ids["user"],
    )
    await connection.execute(
        "INSERT INTO provider_submissions (id, job_id, user_id, account_id, provider_id,"
        " operation_type, attempt, key, submission_class, state, status, request,"
        " estimated_credits) VALUES ($1, $2, $3, $4, 'local', 'text_to_video', 1, 'k', 'A',"
        " 'reserved', 'pending', '{}', 0)",
        ids["submission"],
        ids["job"],
        ids["user"],
        ids["account"],
    )
    await connection.execute("INSERT INTO blobs (sha256, size_bytes) VALUES ('s', 1)")
    await connection.execute(
        "INSERT INTO assets (id, user_id, origin, media_type, sync_status, recipe)"
        " VALUES ($1, $2, 'generated', 'video', 'remote', '{}')",
        ids["asset"],
        ids["user"],
    )
    await connection.execute(
        "INSERT INTO webhooks (id, user_id, url, event_types, status, secret_sealed,"
        " secret_version) VALUES ($1, $2, 'https://example.com', '{*}', 'active', '', 1)",
        ids["webhook"],
        ids["user"],
    )
    await connection.execute(
        "WITH event AS (INSERT INTO events (type, data) VALUES ('job:created', '{}') RETURNING id)"
        " INSERT INTO webhook_deliveries (id, webhook_id, event_id, status)"
        " SELECT $1, $2, event.id, 'pending' FROM event",
        ids["delivery"],
        ids["webhook"],
    )
    return {
        "jobs": ids["job"],
        "provider_submissions": ids["submission"],
        "assets": ids["asset"],
        "provider_accounts": ids["account"],
        "webhooks": ids["webhook"],
        "webhook_deliveries": ids["delivery"],
    }


ALSO = {
    # What CHECKs ask for beside the status.
    "jobs": ", finished_at = CASE WHEN {to} IN ('completed', 'failed', 'cancelled') THEN now() END,"
    " asset_id = CASE WHEN {to} = 'completed' THEN id END",
    "assets": ", sha256 = CASE WHEN {to} = 'downloaded' THEN 's' END,"
    " size_bytes = CASE WHEN {to} = 'downloaded' THEN 1 END",
}


async def put(connection: asyncpg.Connection, machine: Machine, row: Any, state: str) -> None:
    also = ALSO.get(machine.table, "").format(to=f"'{state}'")
    await connection.execute(
        f"UPDATE {machine.table} SET {machine.column} = '{state}'{also} WHERE id = $1", row
    )


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.table)
async def test_the_database_allows_exactly_the_edges_of_the_domain(
    connection: asyncpg.Connection, machine: Machine
) -> None:
    row = (await rows(connection))[machine.table]
    words: type[StrEnum] = type(machine.initial[0])
    states = list(words)
    for source, target in product(states, states):
        await connection.execute(f"ALTER TABLE {machine.table} DISABLE TRIGGER USER")
        await put(connection, machine, row, source)
        await connection.execute(f"ALTER TABLE {machine.table} ENABLE TRIGGER USER")
        is_legal = source is target or machine.allows(source, target)
        if is_legal:
            await put(connection, machine, row, target)
        else:
            with pytest.raises(asyncpg.CheckViolationError, match="illegal transition"):
                await put(connection, machine, row, target)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.table)
async def test_the_databases_copy_is_the_domains_table(
    connection: asyncpg.Connection, machine: Machine
) -> None:
    found = await connection.fetch(
        "SELECT source, target FROM state_transitions WHERE table_name = $1 AND column_name = $2",
        machine.table,
        machine.column,
    )
    assert {(row[0], row[1]) for row in found} == {(a.value, b.value) for a, b in machine.edges}


async def test_there_is_no_other_machine_in_the_database(connection: asyncpg.Connection) -> None:
    found = await connection.fetch("SELECT DISTINCT table_name, column_name FROM state_transitions")
    assert {tuple(row) for row in found} == {(item.table, item.column) for item in MACHINES}


async def test_a_word_that_is_no_state_is_refused(connection: asyncpg.Connection) -> None:
    await rows(connection)
    for machine in MACHINES:
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(f"UPDATE {machine.table} SET {machine.column} = 'limbo'")


async def test_an_account_has_the_slots_it_has(connection: asyncpg.Connection) -> None:
    account = (await rows(connection))["provider_accounts"]
    insert = (
        "INSERT INTO reservations (id, account_id, slot_no, credits_held, expires_at)"
        " VALUES (gen_random_uuid(), $1, $2, 0, now())"
    )
    await connection.execute(insert, account, 1)
    with pytest.raises(asyncpg.CheckViolationError, match="has no slot 2"):
        await connection.execute(insert, account, 2)
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute(insert, account, 1)
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute(insert, account, 0)


async def test_evidence_is_never_rewritten(connection: asyncpg.Connection) -> None:
    submission = (await rows(connection))["provider_submissions"]
    await connection.execute(
        "INSERT INTO submission_evidence (submission_id, kind, detail, fence)"
        " VALUES ($1, 'response', '{}', 1)",
        submission,
    )
    with pytest.raises(asyncpg.CheckViolationError, match="append-only"):
        await connection.execute("UPDATE submission_evidence SET kind = 'not_sent'")


async def test_a_change_is_dated(connection: asyncpg.Connection) -> None:
    await rows(connection)
    await connection.execute("UPDATE users SET updated_at = '2000-01-01', username = 'b'")
    assert await connection.fetchval("SELECT updated_at > now() - interval '1 h' FROM users")
