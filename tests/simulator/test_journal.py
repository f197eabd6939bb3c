"""What was charged is on disk before anybody can know about it, and outlives the simulator."""

import asyncio
import contextlib
import sqlite3
import uuid
from pathlib import Path

import aiohttp
import pytest

from pixsim7_simulator.config import Config, Settings
from pixsim7_simulator.journal import Journal
from pixsim7_simulator.server import spawned_simulator
from tests.simulator.conftest import KEY, TEXT_COST, Vendor, accounts


async def test_a_charge_survives_the_death_of_the_simulator(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    settings = Settings(generation_seconds=60, media="tiny")
    config = Config(accounts=accounts(), settings=settings, journal_path=path)
    trace = str(uuid.uuid4())
    async with spawned_simulator(config) as sim, aiohttp.ClientSession() as session:
        vendor = Vendor(sim, session, KEY)
        await sim.fault({"kind": "accept_then_drop"}, endpoint="pixverse.video.text")
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await vendor.text(trace=trace)
        await sim.kill()
    with contextlib.closing(sqlite3.connect(path)) as db:
        charges = db.execute("SELECT kind, amount, trace_id FROM charges").fetchall()
        requests = db.execute("SELECT fault FROM requests WHERE trace_id = ?", [trace]).fetchall()
    assert charges == [("charge", TEXT_COST, trace)]
    assert requests == [("accept_then_drop",)]


async def test_a_new_simulator_appends_to_an_old_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    for _ in range(2):
        journal = Journal(path)
        journal.add("charges", kind="charge", trace_id="t", amount=5)
        await journal.close()
    journal = Journal(path)
    assert [row["id"] for row in await journal.rows("charges")] == [1, 2]
    assert await journal.charges_by_trace() == [
        {"trace_id": "t", "charges": 2, "refunds": 0, "net": 10}
    ]
    await journal.clear()
    assert await journal.rows("charges") == []
    await journal.close()


async def test_many_writers_share_commits(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = Journal(path)

    async def write(number: int) -> int:
        journal.add("requests", at=float(number), account="a", status=number)
        await journal.durable()
        with contextlib.closing(sqlite3.connect(path)) as db:
            return int(
                db.execute("SELECT count(*) FROM requests WHERE status = ?", [number]).fetchone()[0]
            )

    assert await asyncio.gather(*(write(number) for number in range(50))) == [1] * 50
    assert [row["status"] for row in await journal.rows("requests", since=48.0)] == [48, 49]
    assert len(await journal.rows("requests", account="a", limit=7)) == 7
    with pytest.raises(ValueError, match="no column nope"):
        await journal.rows("requests", nope=1)
    await journal.close()


async def test_a_failed_commit_is_told_to_those_who_wait(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = Journal(path)
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE charges")
        db.commit()
    journal.add("charges", kind="charge")
    with pytest.raises(sqlite3.OperationalError):
        await journal.durable()
    journal.add("slots", event="start")
    assert len(await journal.rows("slots")) == 1
    await journal.close()


async def test_an_answer_does_not_leave_before_its_record(tmp_path: Path) -> None:
    """With the journal locked by somebody else, the client gets no answer."""
    path = tmp_path / "journal.db"
    settings = Settings(generation_seconds=60, media="tiny")
    config = Config(accounts=accounts(), settings=settings, journal_path=path)
    async with spawned_simulator(config) as sim, aiohttp.ClientSession() as session:
        vendor = Vendor(sim, session, KEY)
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            waiting = asyncio.create_task(vendor.text())
            done, _ = await asyncio.wait([waiting], timeout=0.3)
            assert not done
            db.execute("ROLLBACK")
        assert (await waiting).code == 0
