"""The provider away, the database restarted, wake-ups lost: the work goes on by itself."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from pixsim7_backend.infrastructure.database.embedded import EmbeddedPostgres
from pixsim7_backend.infrastructure.database.migrate import migrate
from pixsim7_backend.shared.config import load_settings
from pixsim7_simulator import RunningSimulator
from tests.workers.conftest import quick
from tests.workers.lab import Lab, open_lab
from tests.workers.processes import Zygote
from tests.workers.way import Way

ACCEPTED = "SELECT count(*) FROM provider_submissions WHERE accepted_at > '-infinity'"
RESUMED_S = 10.0
"""A second or two on a machine that has nothing else to do."""


async def test_a_provider_that_is_away_for_a_while(lab: Lab) -> None:
    user = await lab.user()
    async with Way(lab.simulator.url) as way:
        lab.allow(way.url)
        account = await lab.account("key-1", base_url=way.of(lab.simulator.pixverse_url))
        await lab.jobs(user, 12)
        await lab.worker(is_started=False)
        await lab.until(
            "SELECT count(*) >= 2 FROM provider_submissions WHERE accepted_at > '-infinity'", True
        )
        await way.close()
        await lab.until(
            "SELECT count(*) >= 2 FROM submission_evidence WHERE kind = 'not_sent'", True
        )
        await way.open()

        await lab.all_ended()

        await lab.check([account])
        rows = await lab.sql("SELECT status, attention_code FROM jobs")
        # An answer that was cut off in the moment of the outage is a person's decision.
        doubtful = [row for row in rows if row["attention_code"] is not None]
        assert len(doubtful) <= 1
        assert all(row["status"] == "completed" or row in doubtful for row in rows)


@asynccontextmanager
async def _own_server() -> AsyncIterator[EmbeddedPostgres]:
    with TemporaryDirectory(prefix="px7-restart-", dir="/tmp") as directory:
        os.chmod(directory, 0o711)
        server = EmbeddedPostgres(Path(directory) / "pg", durable=False)
        try:
            yield server
        finally:
            await asyncio.to_thread(server.stop)


async def test_a_database_that_restarts_under_a_running_worker(
    witness: RunningSimulator, zygote: Zygote, tmp_path: Path
) -> None:
    async with _own_server() as server:
        url = (await asyncio.to_thread(server.start)).url
        await migrate(url)
        settings = load_settings(
            env="test",
            data_dir=tmp_path / "data",
            database_url=url,
            allow_private_origins=frozenset({witness.url}),
            default_max_daily_jobs=None,
            default_max_concurrent_jobs=None,
            render_concurrency=1,
            poll_pace=0.02,
        )
        async with open_lab(quick(settings), witness, zygote, tmp_path) as lab:
            user = await lab.user()
            account = await lab.account("key-1")
            await lab.jobs(user, 30)
            worker = await lab.worker(is_started=False)
            await lab.until(
                "SELECT count(*) >= 5 FROM provider_submissions WHERE accepted_at > '-infinity'",
                True,
            )
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)

            before = await lab.value(ACCEPTED)
            await lab.until(f"SELECT ({ACCEPTED}) > $1", True, before, timeout_s=RESUMED_S)
            await lab.all_ended()

            assert worker.is_running
            await lab.check([account])
            rows = await lab.sql("SELECT status, attention_code FROM jobs")
            assert {(row[0], row[1]) for row in rows} == {("completed", None)}


async def test_lost_wake_ups_are_made_up_for(lab: Lab) -> None:
    """All queued tasks vanish at three moments of a job's life; the nets find each."""
    user = await lab.user()
    account = await lab.account("key-1")
    [job] = await lab.jobs(user)
    await lab.sql("DELETE FROM pgqueuer")  # its dispatch
    submitted = "SELECT count(*) FROM provider_submissions WHERE accepted_at > '-infinity'"
    doomed = await lab.worker(is_started=False, PIXSIM7_FAIL_POINTS="submit.after_accept=kill:1")
    await doomed.wait()
    assert await lab.value(submitted) == 1
    await lab.sql("DELETE FROM pgqueuer")  # its poll

    doomed = await lab.worker(is_started=False, PIXSIM7_FAIL_POINTS="poll.after_t6=kill:1")
    await doomed.wait()
    assert await lab.value("SELECT status FROM jobs WHERE id = $1", job.id) == "completed"
    await lab.sql("DELETE FROM pgqueuer")  # its fetch
    await lab.sql("UPDATE assets SET fetch_after = now()")  # half a minute later

    await lab.worker(is_started=False)
    await lab.all_ended()
    await lab.check([account])


async def test_a_lost_submit_is_made_up_for(lab: Lab) -> None:
    user = await lab.user()
    account = await lab.account("key-1")
    await lab.jobs(user)
    await lab.doomed_worker("reserve.after_commit=kill:1")
    await lab.sql("DELETE FROM pgqueuer")
    await lab.sql("UPDATE provider_submissions SET state_deadline_at = now()")

    await lab.worker(is_started=False)
    await lab.all_ended()
    await lab.check([account])
    assert await lab.value("SELECT count(*) FROM provider_submissions") == 1
