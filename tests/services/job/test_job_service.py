"""Accepting jobs and steering them."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from pixsim7_backend.domain import ErrorKind, Job, JobStatus, SubmissionState
from pixsim7_backend.domain.job import (
    IdempotencyMismatch,
    InvalidJob,
    JobNotFound,
    JobStateConflict,
)
from pixsim7_backend.domain.provider import ProviderError
from pixsim7_backend.services.job.job_service import NewJob
from pixsim7_backend.services.provider.submission_sender import SendOutcome
from tests.services.conftest import Lab, together

GOOD: dict[str, Any] = {"prompt": "sunset over mountains", "quality": "360p"}


# --- accept ---


@pytest.mark.parametrize(
    ("changed", "field", "allowed"),
    [
        ({"provider_id": "nobody"}, "provider_id", ["local", "pixverse"]),
        ({"operation_type": "text_to_smell"}, "operation_type", "text_to_video"),
        ({"operation_type": "text_to_image"}, "operation_type", "video_extend"),
        ({"params": {**GOOD, "quality": "9000p"}}, "params.quality", "1080p"),
        ({"params": {"quality": "360p"}}, "params.prompt", None),
        ({"params": {**GOOD, "surprise": 1}}, "params.surprise", None),
        ({"params": {**GOOD, "duration": -1}}, "params.duration", None),
        ({"priority": 11}, "priority", "0 (first)"),
        ({"priority": -1}, "priority", "10 (last)"),
        ({"name": ""}, "name", None),
        ({"name": "x" * 201}, "name", None),
        ({"scheduled_at": datetime(2020, 1, 1, tzinfo=UTC)}, "scheduled_at", None),
        ({"scheduled_at": datetime(2999, 1, 1)}, "scheduled_at", None),  # noqa: DTZ001
        ({"workspace_id": uuid4()}, "workspace_id", None),
        ({"parent_job_id": uuid4()}, "parent_job_id", None),
    ],
)
async def test_each_wrong_field_is_named_with_what_is_allowed(
    lab: Lab, changed: dict[str, Any], field: str, allowed: Any
) -> None:
    user = await lab.make.user()
    with pytest.raises(InvalidJob) as raised:
        await lab.make.job(user, **changed)
    problem = next(item for item in raised.value.fields if item.field == field)
    if isinstance(allowed, list):
        assert problem.allowed == allowed
    elif allowed is not None:
        assert problem.allowed is not None
        assert allowed in str(problem.allowed)
    assert await lab.scalar("SELECT count(*) FROM jobs") == 0
    assert (await lab.services.users.get_user(user.id)).jobs_today == 0


async def test_an_accepted_job_its_event_and_its_task_are_one_commit(lab: Lab) -> None:
    user = await lab.make.user()
    job = await lab.make.job(user, name="Opening", priority=2)
    assert await lab.events(job) == ["job:created"]
    usage = await lab.services.users.get_usage(user.id)
    assert usage[0].jobs_created == 1
    queued = "SELECT count(*) FROM pgqueuer WHERE entrypoint = 'dispatch'"
    assert await lab.scalar(queued) == 1

    async def cut_short() -> None:
        async with lab.container.database.transaction():
            await lab.make.job(user)
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        await cut_short()
    assert await lab.scalar("SELECT count(*) FROM jobs") == 1
    assert await lab.scalar(queued) == 1
    assert (await lab.services.users.get_user(user.id)).jobs_today == 1


async def test_one_key_is_one_job_however_often_it_is_posted(lab: Lab) -> None:
    user = await lab.make.user()
    answers = await together(lab.make.job(user, idempotency_key="k") for _ in range(64))
    jobs = [answer for answer in answers if isinstance(answer, Job)]
    assert (len(jobs), len({job.id for job in jobs})) == (64, 1)
    assert await lab.scalar("SELECT count(*) FROM jobs") == 1
    assert (await lab.services.users.get_user(user.id)).jobs_today == 1
    with pytest.raises(IdempotencyMismatch):
        await lab.make.job(user, idempotency_key="k", priority=1)
    other = await lab.make.user()
    assert (await lab.make.job(other, idempotency_key="k")).id != jobs[0].id


async def test_a_repeated_post_is_answered_even_when_its_schedule_has_passed(lab: Lab) -> None:
    user = await lab.make.user()
    at = datetime.now(UTC) + timedelta(seconds=0.3)
    first = await lab.make.job(user, idempotency_key="k", scheduled_at=at)
    await lab.sql("SELECT pg_sleep_until(:at)", at=at)
    again = await lab.make.job(user, idempotency_key="k", scheduled_at=at)
    assert again.id == first.id


async def test_a_batch_is_all_or_nothing(lab: Lab) -> None:
    user = await lab.make.user(max_daily_jobs=5)
    good = NewJob("text_to_video", "pixverse", GOOD)
    bad = NewJob("text_to_video", "pixverse", {"prompt": ""})
    for requests in ([good, bad], [good] * 101, []):
        with pytest.raises(InvalidJob):
            await lab.services.jobs.create_jobs(user, requests)
    with pytest.raises(Exception, match="0 of 5 jobs today"):
        await lab.services.jobs.create_jobs(user, [good] * 6)
    assert await lab.scalar("SELECT count(*) FROM jobs") == 0
    jobs = await lab.services.jobs.create_jobs(user, [good] * 3, idempotency_key="k")
    assert len({job.batch_id for job in jobs}) == 1
    again = await lab.services.jobs.create_jobs(user, [good] * 3, idempotency_key="k")
    assert [job.id for job in again] == [job.id for job in jobs]
    page = await lab.services.jobs.list_jobs(user, batch_id=jobs[0].batch_id)
    assert len(page.items) == 3


async def test_lists_are_ones_own_filtered_and_paged(lab: Lab) -> None:
    user, other = await lab.make.user(), await lab.make.user()
    made = [await lab.make.job(user) for _ in range(5)]
    await lab.make.job(other)
    await lab.services.jobs.cancel_job(made[0].id, user)
    page = await lab.services.jobs.list_jobs(user, limit=3)
    rest = await lab.services.jobs.list_jobs(user, limit=3, cursor=page.next_cursor)
    newest_first = [job.id for job in reversed(made)]
    assert [job.id for job in (*page.items, *rest.items)] == newest_first
    for status in (JobStatus.CANCELLED, "cancelled", [JobStatus.CANCELLED]):
        found = await lab.services.jobs.list_jobs(user, status=status)  # type: ignore[arg-type]
        assert [job.id for job in found.items] == [made[0].id]


async def test_another_persons_job_is_as_unknown_as_none(lab: Lab) -> None:
    owner, other = await lab.make.user(), await lab.make.user()
    job = await lab.make.job(owner)
    jobs, dispatcher = lab.services.jobs, lab.services.dispatcher
    said = set()
    for job_id in (job.id, uuid4()):
        for call in (
            jobs.get_job_for_user(job_id, other),
            jobs.cancel_job(job_id, other),
            jobs.retry_job(job_id, other),
            jobs.pause_job(job_id, other),
            jobs.resume_job(job_id, other),
            jobs.update_job(job_id, other, {"name": "mine"}),
            jobs.dismiss_attention(job_id, other),
            jobs.get_events(job_id, other),
            dispatcher.explain(job_id, other),
        ):
            with pytest.raises(JobNotFound) as raised:
                await call
            said.add(raised.value.detail)
    assert len(said) == 1
    with pytest.raises(InvalidJob):
        await lab.make.job(other, parent_job_id=job.id)
    assert (await lab.job(job)).status is JobStatus.PENDING


# --- steer ---


async def test_a_paused_job_is_held_back_until_it_is_resumed(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    job = await lab.make.job(user)
    await lab.services.jobs.pause_job(job.id, user)
    assert await lab.services.dispatcher.dispatch("pixverse") == 0
    await lab.services.jobs.resume_job(job.id, user)
    assert await lab.services.dispatcher.dispatch("pixverse") == 1


async def test_pausing_gives_a_reserved_slot_back_but_not_a_sent_one(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    job = await lab.make.job(user)
    submission = await lab.reserved(job)
    await lab.services.jobs.pause_job(job.id, user)
    assert await lab.reservations() == []
    await lab.services.runner.submit(submission.id)
    assert await lab.charges() == 0
    await lab.services.jobs.resume_job(job.id, user)
    await lab.sent(job)
    with pytest.raises(JobStateConflict):
        await lab.services.jobs.pause_job(job.id, user)
    assert await lab.charges() == 1


async def test_priority_and_schedule_change_while_a_job_waits_its_name_at_any_time(
    lab: Lab,
) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    job = await lab.make.job(user)
    jobs = lab.services.jobs
    later = datetime.now(UTC) + timedelta(hours=1)
    await jobs.update_job(job.id, user, {"priority": 0, "scheduled_at": later})
    assert await lab.services.dispatcher.dispatch("pixverse") == 0
    await jobs.update_job(job.id, user, {"scheduled_at": None})
    with pytest.raises(InvalidJob):
        await jobs.update_job(job.id, user, {"priority": 99})
    await lab.completed(job)
    with pytest.raises(JobStateConflict):
        await jobs.update_job(job.id, user, {"priority": 1})
    assert (await jobs.update_job(job.id, user, {"name": "Done"})).name == "Done"


async def test_a_failed_job_is_tried_again_and_counts_again(lab: Lab) -> None:
    user = await lab.make.user(max_daily_jobs=2)
    await lab.make.pixverse_account()
    job = await lab.make.job(user, params={**GOOD, "prompt": "a filtered-word here"})
    job = await lab.completed(job)
    assert (job.status, job.error_code) == (JobStatus.FAILED, "content_filtered")
    job = await lab.services.jobs.retry_job(job.id, user)
    assert (job.status, job.error_code, job.finished_at) == (JobStatus.PENDING, None, None)
    await lab.simulator.set(filtered_words=())
    job = await lab.completed(job)
    assert (job.status, job.attempts) == (JobStatus.COMPLETED, 2)
    with pytest.raises(JobStateConflict):
        await lab.services.jobs.retry_job(job.id, user)
    assert (await lab.services.users.get_user(user.id)).jobs_today == 2


async def test_a_person_s_retry_has_all_its_attempts(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    job = await lab.make.job(user, params={**GOOD, "prompt": "a filtered-word here"})
    await lab.completed(job)
    await lab.sql("UPDATE provider_submissions SET attempt = 6")
    await lab.sql("UPDATE jobs SET attempts = 6")
    await lab.services.jobs.retry_job(job.id, user)
    submission = await lab.reserved(job)
    too_busy = ProviderError(ErrorKind.TRANSIENT, "Try later.")
    outcome = SendOutcome("refused", submission.fence, error=too_busy)
    await lab.services.runner._settle(submission.id, outcome)
    waiting = await lab.job(job)
    assert (waiting.status, waiting.attempts) == (JobStatus.PENDING, 7)
    assert waiting.waiting_reason == "Try later."


async def test_what_a_job_cost_is_counted_once_over_all_its_attempts(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    job = await lab.make.job(user)
    await lab.sent(job)
    await lab.sql("UPDATE provider_submissions SET charged_credits = 3, state = 'failed_remote'")
    await lab.sql("DELETE FROM reservations")
    await lab.services.jobs.mark_failed(job.id, "charged and failed")
    await lab.services.jobs.retry_job(job.id, user)
    done = await lab.completed(job)
    spent = (await lab.services.users.get_usage(user.id))[0].credits_spent
    cost = (await lab.submission(job)).charged_credits
    assert cost is not None
    assert done.charged_credits == spent == 3 + cost


async def test_the_status_calls_of_the_mission_refuse_what_makes_no_sense(lab: Lab) -> None:
    user = await lab.make.user()
    job = await lab.make.job(user)
    jobs = lab.services.jobs
    with pytest.raises(JobStateConflict):
        await jobs.mark_completed(job.id, uuid4())
    await jobs.mark_started(job.id)
    with pytest.raises(JobStateConflict):
        await jobs.mark_started(job.id)
    await jobs.mark_failed(job.id, "It rained.")
    failed = await lab.job(job)
    assert (failed.status, failed.error_message) == (JobStatus.FAILED, "It rained.")
    with pytest.raises(JobStateConflict):
        await jobs.mark_failed(job.id, "again")
    with pytest.raises(JobNotFound):
        await jobs.mark_started(uuid4())


# --- cancel ---


async def test_a_cancelled_job_is_never_sent(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    job = await lab.make.job(user)
    submission = await lab.reserved(job)
    await lab.services.jobs.cancel_job(job.id, user)
    again = await lab.services.jobs.cancel_job(job.id, user)
    assert again.status is JobStatus.CANCELLED
    await lab.services.runner.submit(submission.id)
    assert await lab.services.dispatcher.dispatch("pixverse") == 0
    assert (await lab.charges(), await lab.reservations()) == (0, [])
    assert (await lab.submission(job)).state is SubmissionState.ABANDONED


async def test_of_a_cancel_and_a_send_at_once_one_wins(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    for _ in range(8):
        job = await lab.make.job(user)
        submission = await lab.reserved(job)
        before = await lab.charges()
        await asyncio.gather(
            lab.services.runner.submit(submission.id), lab.services.jobs.cancel_job(job.id, user)
        )
        state = (await lab.submission(job)).state
        assert (state is SubmissionState.ACCEPTED) == (await lab.charges() > before)
        assert (await lab.job(job)).status is JobStatus.CANCELLED
        await lab.polled()
    assert await lab.reservations() == []


async def test_a_completion_that_happened_wins(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    job = await lab.completed(await lab.make.job(user))
    with pytest.raises(JobStateConflict, match="completed already"):
        await lab.services.jobs.cancel_job(job.id, user)


async def test_a_result_that_comes_after_the_cancel_is_kept_and_marked(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    job = await lab.make.job(user)
    await lab.sent(job)
    await lab.services.jobs.cancel_job(job.id, user)
    await lab.polled()
    job = await lab.job(job)
    assert (job.status, job.asset_id) == (JobStatus.CANCELLED, None)
    assert (await lab.services.assets.list_assets(user)).items == []
    kept = await lab.services.assets.list_assets(user, include_after_cancel=True)
    assert [(item.job_id, item.is_after_cancel) for item in kept.items] == [(job.id, True)]
    await lab.services.ingest.ingest(kept.items[0].id)
    assert (await lab.submission(job)).state is SubmissionState.FETCHED
    cost = (await lab.submission(job)).charged_credits
    usage = (await lab.services.users.get_usage(user.id))[0]
    assert (usage.jobs_cancelled, usage.credits_spent) == (1, cost), "it was paid for all the same"
