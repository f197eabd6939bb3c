"""Jobs that wait for a time or for another job."""

from datetime import UTC, datetime, timedelta

import pytest

from pixsim7_backend.domain import JobStatus
from pixsim7_backend.domain.job import InvalidJob
from tests.services.conftest import Lab


async def test_a_scheduled_job_waits_for_its_time(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    job = await lab.make.job(user, scheduled_at=datetime.now(UTC) + timedelta(hours=1))
    assert await lab.services.dispatcher.dispatch("pixverse") == 0
    delayed = await lab.scalar(
        "SELECT execute_after > now() + interval '59 min' FROM pgqueuer"
        " WHERE entrypoint = 'dispatch' ORDER BY id DESC LIMIT 1"
    )
    assert delayed, "it is woken at its time, not before"
    await lab.sql("UPDATE jobs SET available_at = now()")
    await lab.sent(job)


async def test_a_child_waits_for_its_parent_and_is_released_by_it(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    parent = await lab.make.job(user)
    child = await lab.make.job(user, parent_job_id=parent.id)
    assert child.waiting_reason == "Waits for its parent job."
    assert await lab.services.dispatcher.dispatch("pixverse") == 1
    await lab.services.runner.submit((await lab.submission(parent)).id)
    await lab.polled()
    assert (await lab.job(child)).waits_for_parent is False
    assert "job:updated" in await lab.events(child)
    child = await lab.completed(child)
    assert child.status is JobStatus.COMPLETED


async def test_a_child_of_a_completed_parent_does_not_wait(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    parent = await lab.completed(await lab.make.job(user))
    child = await lab.make.job(user, parent_job_id=parent.id)
    assert child.waits_for_parent is False


@pytest.mark.parametrize(
    ("end", "status", "code"),
    [
        ("fail", JobStatus.FAILED, "parent_failed"),
        ("cancel", JobStatus.CANCELLED, "parent_cancelled"),
    ],
)
async def test_an_end_without_result_ends_all_who_wait_for_it(
    lab: Lab, end: str, status: JobStatus, code: str
) -> None:
    user = await lab.make.user()
    parent = await lab.make.job(user)
    children = [await lab.make.job(user, parent_job_id=parent.id) for _ in range(2)]
    grandchild = await lab.make.job(user, parent_job_id=children[0].id)
    bystander = await lab.make.job(user)
    if end == "fail":
        await lab.services.jobs.mark_failed(parent.id, "no luck")
    else:
        await lab.services.jobs.cancel_job(parent.id, user)
    for job in (*children, grandchild):
        ended = await lab.job(job)
        assert (ended.status, ended.error_code) == (status, code)
        assert ended.error_message is not None
        assert "it was to follow" in ended.error_message
    assert (await lab.job(bystander)).status is JobStatus.PENDING
    with pytest.raises(InvalidJob, match="without a result"):
        await lab.make.job(user, parent_job_id=parent.id)


async def test_a_cancelled_child_leaves_its_parent_alone(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    parent = await lab.make.job(user)
    child = await lab.make.job(user, parent_job_id=parent.id)
    await lab.services.jobs.cancel_job(child.id, user)
    assert (await lab.completed(parent)).status is JobStatus.COMPLETED
    assert (await lab.job(child)).status is JobStatus.CANCELLED
