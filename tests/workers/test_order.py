"""Who is next: priority, fair share, schedules, parents."""

from datetime import UTC, datetime, timedelta

from tests.conftest import eventually
from tests.workers.lab import Lab

RESERVED = """
    SELECT s.job_id FROM provider_submissions s ORDER BY s.reserved_at, s.id
"""


async def test_the_most_important_job_goes_first(lab: Lab) -> None:
    user = await lab.user()
    await lab.account("key-1", limit=1)
    by_priority = {
        priority: (await lab.jobs(user, priority=priority))[0] for priority in (10, 5, 7, 0)
    }
    await lab.worker(is_started=False)

    await lab.all_ended(fetched=False)

    order = [row[0] for row in await lab.sql(RESERVED)]
    assert order == [by_priority[priority].id for priority in (0, 5, 7, 10)]


async def test_a_thousand_jobs_of_one_delay_a_job_of_another_by_one_round(lab: Lab) -> None:
    await lab.account("key-1", limit=2)
    heavy, light = await lab.user(), await lab.user()
    await lab.jobs(heavy, 1000)
    [job] = await lab.jobs(light)
    await lab.worker(is_started=False)

    await lab.until("SELECT count(*) FROM jobs WHERE status = 'completed' AND id = $1", 1, job.id)

    ahead = await lab.value(
        "SELECT count(*) FROM provider_submissions WHERE reserved_at < "
        "(SELECT reserved_at FROM provider_submissions WHERE job_id = $1)",
        job.id,
    )
    assert ahead <= 2, "one round of two slots at most"


async def test_jobs_that_no_account_may_take_do_not_hold_up_the_others(lab: Lab) -> None:
    """Those who wait in vain come first by priority, and are more than one dispatch considers."""
    owner, stranger, helped = await lab.user(), await lab.user(), await lab.user()
    account = await lab.account("key-1", owner=owner)
    await lab.container.services.accounts.grant(account.id, owner, helped.id, allow=True)
    await lab.jobs(stranger, 250, priority=0)
    [job] = await lab.jobs(helped, priority=5)
    await lab.worker(is_started=False)

    await lab.until("SELECT status FROM jobs WHERE id = $1", "completed", job.id)


async def test_a_scheduled_job_starts_at_its_time(lab: Lab) -> None:
    user = await lab.user()
    await lab.account("key-1")
    await lab.worker()
    due = datetime.now(UTC) + timedelta(seconds=1.5)
    [job] = await lab.jobs(user, scheduled_at=due)

    await lab.until("SELECT status FROM jobs WHERE id = $1", "completed", job.id)

    reserved_at = await lab.value("SELECT reserved_at FROM provider_submissions")
    assert timedelta(0) <= reserved_at - due < timedelta(seconds=1)


async def test_a_child_starts_after_its_parent_and_falls_with_it(lab: Lab) -> None:
    user = await lab.user()
    await lab.account("key-1")
    [parent] = await lab.jobs(user)
    [child] = await lab.jobs(user, parent_job_id=parent.id)
    bad = {"prompt": "a failing-word", "quality": "360p"}
    [failing] = await lab.jobs(user, params=bad)
    [orphan] = await lab.jobs(user, parent_job_id=failing.id)
    [grandchild] = await lab.jobs(user, parent_job_id=orphan.id)
    await lab.worker(is_started=False)

    await lab.all_ended(fetched=False)

    rows = {row["id"]: row for row in await lab.sql("SELECT * FROM jobs")}
    assert rows[child.id]["status"] == "completed"
    reserved_at = await lab.value(
        "SELECT reserved_at FROM provider_submissions WHERE job_id = $1", child.id
    )
    assert reserved_at >= rows[parent.id]["finished_at"]
    assert rows[failing.id]["error_code"] == "generation_failed"
    for follower in (orphan, grandchild):
        assert rows[follower.id]["error_code"] == "parent_failed"
        assert rows[follower.id]["attempts"] == 0


async def test_a_paused_job_waits_for_its_person(lab: Lab) -> None:
    user = await lab.user()
    await lab.account("key-1")
    [paused, other] = await lab.jobs(user, 2)
    services = lab.container.services
    await services.jobs.pause_job(paused.id, user)
    await lab.worker(is_started=False)
    await lab.until("SELECT status FROM jobs WHERE id = $1", "completed", other.id)
    assert await lab.value("SELECT attempts FROM jobs WHERE id = $1", paused.id) == 0

    await services.jobs.resume_job(paused.id, user)

    async def is_done() -> bool:
        return (await services.jobs.get_job_for_user(paused.id, user)).is_final

    await eventually(is_done)
    await lab.check()
