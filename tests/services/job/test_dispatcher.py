"""Who goes first, on which account, and what a person is told meanwhile."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from pixsim7_backend.domain import Job, JobStatus, ProviderAccount, User
from pixsim7_backend.services.job.job_service import NewJob
from tests.services.conftest import SUBMIT, Lab

GOOD = {"prompt": "sunset over mountains", "quality": "360p"}


async def many(lab: Lab, user: User, count: int, **values: object) -> list[Job]:
    request = NewJob("text_to_video", "pixverse", GOOD, **values)  # type: ignore[arg-type]
    jobs: list[Job] = []
    while len(jobs) < count:
        size = min(100, count - len(jobs))
        jobs += await lab.services.jobs.create_jobs(user, [request] * size)
    return jobs


async def running(lab: Lab) -> list[Job]:
    rows = await lab.sql("SELECT job_id FROM provider_submissions ORDER BY reserved_at, id")
    return [await lab.job(Job(id=row[0])) for row in rows]


async def dispatch(lab: Lab) -> int:
    return await lab.services.dispatcher.dispatch("pixverse")


async def test_the_most_important_job_goes_first(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account(max_concurrent_jobs=1)
    for priority in (5, 10, 0, 3):
        await lab.make.job(user, priority=priority)
    order = []
    for _ in range(4):
        assert await dispatch(lab) == 1
        job = (await running(lab))[-1]
        order.append(job.priority)
        await lab.services.runner.submit((await lab.submission(job)).id)
        await lab.polled()
    assert order == [0, 3, 5, 10]


async def test_of_equal_jobs_the_older_goes_first(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account(max_concurrent_jobs=1)
    jobs = [await lab.make.job(user) for _ in range(3)]
    await dispatch(lab)
    assert [job.id for job in await running(lab)] == [jobs[0].id]


async def test_a_thousand_jobs_of_one_do_not_hold_up_one_of_another(lab: Lab) -> None:
    busy, quiet = await lab.make.user(), await lab.make.user()
    await lab.make.pixverse_account(max_concurrent_jobs=2)
    await many(lab, busy, 1000)
    (only,) = await many(lab, quiet, 1)
    assert await dispatch(lab) == 2
    assert only.id in [job.id for job in await running(lab)]


async def test_slots_are_shared_out_evenly(lab: Lab) -> None:
    people = [await lab.make.user() for _ in range(3)]
    await lab.make.pixverse_account(max_concurrent_jobs=6)
    for user in people:
        await many(lab, user, 20)
    await dispatch(lab)
    served = [job.user_id for job in await running(lab)]
    assert [served.count(user.id) for user in people] == [2, 2, 2]


async def test_jobs_that_nobody_can_take_hold_up_nobody(lab: Lab) -> None:
    """More of them than one batch holds, and all of them more important."""
    poor, rich = await lab.make.user(), await lab.make.user()
    await lab.make.pixverse_account(rich)
    await many(lab, poor, 250, priority=0)
    (job,) = await many(lab, rich, 1, priority=10)
    assert await dispatch(lab) == 1
    assert [item.id for item in await running(lab)] == [job.id]
    told = await lab.sql("SELECT DISTINCT waiting_reason FROM jobs WHERE user_id = :id", id=poor.id)
    assert [row[0] for row in told] == ["There is no account for this provider yet."]


async def test_a_limit_that_was_lowered_below_what_runs_stops_nobody_else(lab: Lab) -> None:
    admin, one, two = await lab.make.user("admin"), await lab.make.user(), await lab.make.user()
    await lab.make.pixverse_account(max_concurrent_jobs=5)
    await many(lab, one, 4)
    assert await dispatch(lab) == 4
    await many(lab, one, 1)
    await lab.services.users.update_user(one.id, {"max_concurrent_jobs": 2}, admin)
    await many(lab, two, 1)
    assert await dispatch(lab) == 1


async def test_nobody_runs_more_at_once_than_they_may_over_all_providers(lab: Lab) -> None:
    user = await lab.make.user(max_concurrent_jobs=3)
    await lab.make.pixverse_account(max_concurrent_jobs=10)
    await lab.sql("UPDATE provider_accounts SET max_concurrent_jobs = 10")
    await many(lab, user, 10)
    for _ in range(10):
        await lab.make.job(user, "local", params={"prompt": "sea"})
    dispatcher = lab.services.dispatcher
    counts = await asyncio.gather(
        *(dispatcher.dispatch(name) for name in ("local", "pixverse") for _ in range(4))
    )
    assert sum(counts) == 3
    assert len(await running(lab)) == 3


async def test_parallel_dispatches_share_the_slots_of_an_account(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account(max_concurrent_jobs=5)
    jobs = await many(lab, user, 20)
    counts = await asyncio.gather(*(dispatch(lab) for _ in range(8)))
    assert sum(counts) == 5
    assert [slot for slot, _ in await lab.reservations()] == [1, 2, 3, 4, 5]
    assert {job.id for job in await running(lab)} == {job.id for job in jobs[:5]}


async def test_credits_are_never_promised_twice(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.job(user)
    cost = await lab.scalar("SELECT estimated_credits FROM jobs")
    await lab.make.pixverse_account(credits=cost * 2 + 1, max_concurrent_jobs=5)
    await many(lab, user, 4)
    assert await dispatch(lab) == 2
    reason = await lab.scalar("SELECT waiting_reason FROM jobs WHERE waiting_reason IS NOT NULL")
    assert reason == f"It needs {cost.normalize():f}; only 1 credits are free."


async def test_an_account_that_refused_a_job_is_not_asked_again(lab: Lab) -> None:
    user = await lab.make.user()
    first = await lab.make.pixverse_account(priority=1)
    second = await lab.make.pixverse_account(key="sk-test-2", priority=2)
    await lab.simulator.fault({"kind": "refuse", "err_code": 500020}, endpoint=SUBMIT, times=1)
    job = await lab.make.job(user)
    assert (await lab.sent(job)).account_id == first.id
    assert (await lab.sent(job)).account_id == second.id
    assert await lab.charges() == 1


async def test_a_job_that_an_older_version_accepted_does_not_stop_the_line(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    old, new = await many(lab, user, 2)
    await lab.sql("""UPDATE jobs SET params = '{"prompt": "x", "quality": "8p"}' WHERE id = :id""",
                  id=old.id)  # fmt: skip
    assert await dispatch(lab) == 1
    assert [job.id for job in await running(lab)] == [new.id]
    failed = await lab.job(old)
    assert (failed.status, failed.error_code) == (JobStatus.FAILED, "invalid_job")


async def test_whoever_waits_is_woken_when_a_slot_comes_free(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account(max_concurrent_jobs=1)
    first, second = await many(lab, user, 2)
    await lab.sent(first)
    assert (await lab.job(second)).waiting_reason == "Every slot of the account is in use."
    await dispatch(lab)
    assert (await lab.job(second)).waiting_reason == "Every slot of the account is in use."
    assert (await lab.events(second)).count("job:waiting") == 1, "told once, not at every look"
    await lab.sql("DELETE FROM pgqueuer")
    await lab.polled()
    queued = "SELECT count(*) FROM pgqueuer WHERE entrypoint = 'dispatch'"
    assert await lab.scalar(queued) > 0
    await lab.sent(second)


# --- explain ---


async def explained(lab: Lab, job: Job, user: User) -> tuple[str, str]:
    explanation = await lab.services.dispatcher.explain(job.id, user)
    return explanation.reason_code, explanation.reason


async def account_off(lab: Lab, account: ProviderAccount) -> None:
    admin = await lab.make.user("admin")
    await lab.services.accounts.update_account(account.id, admin, {"is_enabled": False})


async def test_explain_without_any_account(lab: Lab) -> None:
    user, other = await lab.make.user(), await lab.make.user()
    await lab.make.pixverse_account(other)
    job = await lab.make.job(user)
    assert await explained(lab, job, user) == (
        "no_account",
        "There is no account for this provider yet.",
    )
    explanation = await lab.services.dispatcher.explain(job.id, user)
    assert explanation.considered == [], "another person's account is not shown"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("UPDATE provider_accounts SET status = 'disabled'", "disabled"),
        ("UPDATE provider_accounts SET status = 'error'", "error"),
        ("UPDATE provider_accounts SET status = 'exhausted'", "exhausted"),
        ("UPDATE provider_accounts SET cooldown_until = now() + interval '1 min'", "cooling_down"),
        ("UPDATE provider_accounts SET credits = 1", "credits"),
        ("UPDATE provider_accounts SET max_daily_credits = 1", "daily_cap"),
        ("UPDATE provider_accounts SET max_concurrent_jobs = 0", "busy"),
        ("UPDATE jobs SET available_at = now() + interval '1 min'", "backing_off"),
        ("UPDATE users SET max_concurrent_jobs = 0", "user_limit"),
        ("SELECT 1", "in_line"),
    ],
)
async def test_explain_names_what_stands_in_the_way(lab: Lab, change: str, code: str) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account(credits=Decimal(500))
    job = await lab.make.job(user)
    await lab.sql(change)
    await dispatch(lab) if code != "in_line" else None
    said = await explained(lab, job, user)
    assert said[0] == code
    assert said[1].endswith(".")


async def test_explain_tells_what_a_person_has_chosen(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    parent = await lab.make.job(user)
    child = await lab.make.job(user, parent_job_id=parent.id)
    at = datetime.now(UTC) + timedelta(hours=1)
    later = await lab.make.job(user, scheduled_at=at)
    assert (await explained(lab, child, user))[0] == "parent"
    assert await explained(lab, later, user) == (
        "scheduled",
        f"It is scheduled for {at:%Y-%m-%d %H:%M:%S} UTC.",
    )
    await lab.sql("UPDATE jobs SET scheduled_at = now(), available_at = now() WHERE id = :id",
                  id=later.id)  # fmt: skip
    assert (await explained(lab, later, user))[0] == "in_line", "its time has come"
    await lab.services.jobs.pause_job(parent.id, user)
    assert (await explained(lab, parent, user))[0] == "paused"


async def test_explain_follows_a_job_to_its_end(lab: Lab) -> None:
    user = await lab.make.user()
    account = await lab.make.pixverse_account(max_concurrent_jobs=1)
    first, second = await many(lab, user, 2)
    place = (await lab.services.dispatcher.explain(second.id, user)).place_in_line
    assert place == 2
    await lab.reserved(first)
    assert (await explained(lab, first, user))[0] == "sending"
    said = await lab.services.dispatcher.explain(second.id, user)
    (considered,) = said.considered
    assert (considered.account_id, considered.code, considered.is_able) == (
        account.id,
        "busy",
        False,
    )
    await lab.services.runner.submit((await lab.submission(first)).id)
    assert (await explained(lab, first, user))[0] == "processing"
    await lab.polled()
    assert (await explained(lab, first, user))[0] == "completed"
