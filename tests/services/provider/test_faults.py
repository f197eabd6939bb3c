"""What every answer of a vendor, and every missing one, does to job, account and money."""

from dataclasses import dataclass
from typing import Any

import pytest

from pixsim7_backend.domain import AccountStatus, JobStatus, SubmissionState
from pixsim7_backend.domain.job import JobStateConflict
from pixsim7_backend.domain.user import QuotaExceeded
from pixsim7_backend.services.provider.provider_service import SubmissionRefused
from tests.services.conftest import SUBMIT, Lab, together

S, A = SubmissionState, AccountStatus


@dataclass
class Case:
    fault: dict[str, Any]
    state: SubmissionState
    evidence: str
    charges: int
    account: AccountStatus = A.ACTIVE
    job: JobStatus = JobStatus.PENDING
    is_held: bool = False


def doubt(charges: int, **fault: Any) -> Case:
    return Case(fault, S.IN_DOUBT, "no_answer", charges, is_held=True)


def no(account: AccountStatus = A.ACTIVE, job: JobStatus = JobStatus.PENDING, **fault: Any) -> Case:
    return Case(fault, S.REJECTED, "refusal", 0, account, job)


CASES = {
    "bad parameters": no(job=JobStatus.FAILED, kind="refuse", err_code=400017),
    "moderation": no(job=JobStatus.FAILED, kind="refuse", err_code=500063),
    "no credits": no(A.EXHAUSTED, kind="refuse", err_code=500090),
    "too many at once": no(kind="refuse", err_code=500044),
    "high load": no(kind="refuse", err_code=500069),
    "may not": no(kind="refuse", err_code=500020),
    "unlisted code": no(job=JobStatus.FAILED, kind="refuse", err_code=777777),
    "rate limit": no(A.RATE_LIMITED, kind="rate_limit", retry_after=9),
    "rate limit without time": no(A.RATE_LIMITED, kind="rate_limit", retry_after=None),
    "bad key": no(A.ERROR, kind="status", status=401),
    "redirect": no(job=JobStatus.FAILED, kind="redirect", to="http://127.0.0.1:1/"),
    "unknown error code": doubt(0, kind="refuse", err_code=99999),
    "database error code": doubt(0, kind="refuse", err_code=500100),
    "502 before the work": doubt(0, kind="status", status=502, when="before"),
    "502 after the work": doubt(1, kind="status", status=502, when="after"),
    "503 after the work": doubt(1, kind="status", status=503, when="after"),
    "408": doubt(0, kind="status", status=408),
    "409": doubt(0, kind="status", status=409),
    "answer dropped": doubt(1, kind="accept_then_drop"),
    "dropped before the work": doubt(0, kind="drop_before"),
    "reset in the headers": doubt(1, kind="reset", at="headers"),
    "reset in the body": doubt(1, kind="reset", at="body"),
    "HTML": doubt(1, kind="garbage", what="html"),
    "empty": doubt(1, kind="garbage", what="empty"),
    "truncated JSON": doubt(1, kind="garbage", what="truncated"),
    "NaN": doubt(1, kind="garbage", what="nan"),
    "deeply nested": doubt(1, kind="garbage", what="deep"),
    "wrong types": doubt(1, kind="garbage", what="wrong_types"),
    "no id": doubt(1, kind="garbage", what="no_id"),
    "huge": doubt(1, kind="garbage", what="huge", size=2_000_000),
    "endless headers": doubt(1, kind="garbage", what="endless_headers"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_what_follows_from_an_answer(lab: Lab, case: Case) -> None:
    user = await lab.make.user()
    account = await lab.make.pixverse_account(max_concurrent_jobs=1)
    await lab.simulator.fault(case.fault, endpoint=SUBMIT, times=1)
    job = await lab.make.job(user)
    submission = await lab.sent(job)
    assert submission.state is case.state
    assert await evidence(lab) == [case.evidence]
    assert await lab.charges() == case.charges
    assert bool(await lab.reservations()) is case.is_held
    assert (await lab.services.accounts.get_account(account.id)).status is case.account
    ended = await lab.job(job)
    assert ended.status is case.job
    if ended.is_final:
        assert ended.error_code in ("content_filtered", "provider_rejected")
        assert ended.error_message is not None
        assert ended.error_message.endswith(".")
    else:
        assert (ended.open_submission_id == submission.id) is case.is_held
    # Whatever is looked at afterwards, nothing is sent again while the outcome is unknown.
    if case.is_held:
        await lab.services.dispatcher.dispatch("pixverse")
        await lab.services.runner.submit(submission.id)
        await lab.services.runner.resolve(submission.id)
        await lab.services.upkeep.sweep()
        assert len(await lab.simulator.requests(endpoint=SUBMIT)) == 1


async def evidence(lab: Lab) -> list[str]:
    return [row[0] for row in await lab.sql("SELECT kind FROM submission_evidence ORDER BY id")]


async def test_a_vendor_that_cannot_be_reached_is_tried_again_and_given_up(lab: Lab) -> None:
    user = await lab.make.user()
    account = await lab.make.pixverse_account()
    await lab.sql("UPDATE provider_accounts SET base_url = 'http://127.0.0.1:9/' WHERE id = :id",
                  id=account.id)  # fmt: skip
    job = await lab.make.job(user)
    submission = await lab.reserved(job)
    waits = []
    for _ in range(6):
        await lab.sql("DELETE FROM pgqueuer")
        await lab.services.runner.submit(submission.id)
        waits += [
            round(float(row[0]))
            for row in await lab.sql(
                "SELECT extract(epoch FROM execute_after - created) FROM pgqueuer"
                " WHERE entrypoint = 'submit'"
            )
        ]
    assert waits == [1, 2, 5, 10, 20]
    assert (await lab.submission(job)).state is S.ABANDONED
    assert set(await evidence(lab)) == {"not_sent"}
    back = await lab.job(job)
    assert (back.status, back.open_submission_id) == (JobStatus.PENDING, None)
    assert await lab.reservations() == []


async def test_a_job_gives_up_after_six_attempts(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    await lab.simulator.fault({"kind": "refuse", "err_code": 500069}, endpoint=SUBMIT)
    job = await lab.make.job(user)
    for _ in range(6):
        await lab.sql("UPDATE jobs SET available_at = now()")
        await lab.sql("UPDATE provider_accounts SET cooldown_until = NULL")
        await lab.sent(job)
    failed = await lab.job(job)
    assert (failed.status, failed.error_code) == (JobStatus.FAILED, "no_attempt_worked")
    assert len(await lab.services.providers.get_job_submissions(job.id)) == 6


@pytest.mark.parametrize(
    ("word", "code"),
    [("filtered-word", "content_filtered"), ("failing-word", "generation_failed")],
)
async def test_a_generation_that_fails_is_not_repeated(lab: Lab, word: str, code: str) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    job = await lab.make.job(user, params={"prompt": f"a {word}", "quality": "360p"})
    done = await lab.completed(job)
    if done.status is JobStatus.PENDING:  # the vendor gave the credits back: it may be repeated
        assert (await lab.submission(job)).charged_credits == 0
    else:
        assert (done.status, done.error_code) == (JobStatus.FAILED, code)
    assert await lab.reservations() == []


async def test_a_call_by_hand_that_failed_leaves_nothing_behind(lab: Lab) -> None:
    """`execute_job` says what happened, and the job can be executed again."""
    user = await lab.make.user()
    account = await lab.make.pixverse_account()
    job = await lab.make.job(user)
    await lab.simulator.fault({"kind": "refuse", "err_code": 500069}, endpoint=SUBMIT, times=1)
    providers = lab.services.providers
    with pytest.raises(Exception, match="high load"):
        await providers.execute_job(job, account, job.params)
    await lab.sql("UPDATE provider_accounts SET base_url = 'http://127.0.0.1:9/'")
    unreachable = await lab.services.accounts.get_account(account.id)
    with pytest.raises(Exception, match="could not be reached"):
        await providers.execute_job(job, unreachable, job.params)
    assert await lab.reservations() == []
    waiting = await lab.job(job)
    assert (waiting.status, waiting.open_submission_id) == (JobStatus.PENDING, None)
    await lab.sql("UPDATE provider_accounts SET base_url = :url", url=lab.simulator.pixverse_url)
    submission = await providers.execute_job(job, account, job.params)
    assert (submission.state, submission.attempt) == (S.ACCEPTED, 3)
    with pytest.raises(Exception, match="under way"):
        await providers.execute_job(job, account, job.params)
    assert await lab.charges() == 1


async def test_a_job_refused_by_hand_waits_in_line_again(lab: Lab) -> None:
    user = await lab.make.user()
    account = await lab.make.pixverse_account()
    job = await lab.make.job(user)
    await lab.simulator.fault({"kind": "refuse", "err_code": 400017}, endpoint=SUBMIT, times=1)
    with pytest.raises(SubmissionRefused):
        await lab.services.providers.execute_job(job, account, job.params)
    assert (await lab.services.dispatcher.explain(job.id, user)).reason_code == "in_line"
    assert (await lab.completed(job)).status is JobStatus.COMPLETED
    assert await lab.charges() == 1


async def test_a_call_by_hand_keeps_to_what_a_person_may_run_at_once(lab: Lab) -> None:
    user = await lab.make.user(max_concurrent_jobs=2)
    account = await lab.make.pixverse_account(max_concurrent_jobs=5)
    waiting = [await lab.make.job(user) for _ in range(5)]
    await lab.services.providers.execute_job(waiting[0], account, waiting[0].params)
    ends = await together(
        [
            lab.services.dispatcher.dispatch("pixverse"),
            *(lab.services.providers.execute_job(job, account, job.params) for job in waiting[1:]),
        ]
    )
    holding = "SELECT count(*) FROM provider_submissions WHERE state IN ('reserved', 'accepted')"
    assert await lab.scalar(holding) == 2
    refused = [end for end in ends if isinstance(end, BaseException)]
    assert {type(end) for end in refused} <= {QuotaExceeded, JobStateConflict}
    assert len(refused) >= 3
    left = await lab.scalar("SELECT count(*) FROM jobs WHERE open_submission_id IS NULL")
    assert left == 3


async def test_a_cancelled_job_is_not_executed(lab: Lab) -> None:
    user = await lab.make.user()
    account = await lab.make.pixverse_account()
    job = await lab.make.job(user)
    await lab.services.jobs.cancel_job(job.id, user)
    with pytest.raises(Exception, match="cancelled"):
        await lab.services.providers.execute_job(job, account, job.params)
    assert await lab.reservations() == []
