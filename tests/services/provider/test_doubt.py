"""A paid call whose answer was lost: never repeated by itself, found out where it can be."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from decimal import Decimal
from urllib.parse import quote_plus
from uuid import uuid4

import pytest

from pixsim7_backend.domain import (
    Job,
    JobStatus,
    ProviderAccount,
    ProviderSubmission,
    SubmissionState,
    User,
)
from pixsim7_backend.domain.job import InvalidJob, JobStateConflict
from pixsim7_backend.domain.provider import Accepted
from pixsim7_backend.services.job.webhook_receiver import CallbackRefused
from tests.services.conftest import SUBMIT, Lab

S = SubmissionState
SECRET = "the webhook's secret"


async def doubtful(lab: Lab, user: User, fault: str = "accept_then_drop") -> Job:
    """A job whose answer was lost."""
    await lab.simulator.fault({"kind": fault}, endpoint=SUBMIT, times=1)
    job = await lab.make.job(user)
    assert (await lab.sent(job)).state is S.IN_DOUBT
    return job


async def closed(lab: Lab, user: User, fault: str = "accept_then_drop") -> Job:
    """The same, after the time to find out is over."""
    job = await doubtful(lab, user, fault)
    await lab.sql("UPDATE provider_submissions SET submitted_at = now() - interval '1 day'")
    await lab.services.runner.resolve((await lab.submission(job)).id)
    assert (await lab.submission(job)).state is S.CLOSED_UNKNOWN
    return await lab.job(job)


async def account_with_webhook(lab: Lab, owner: User) -> ProviderAccount:
    account = await lab.make.pixverse_account(owner)
    return await lab.services.accounts.replace_credentials(
        account.id, owner, {"api_key": "sk-test-1", "webhook_secret": SECRET}, ""
    )


def callback(video_id: int, key: str, secret: str = SECRET) -> tuple[dict[str, str], bytes]:
    """As PixVerse signs it."""
    content = {"id": str(video_id), "status": "1"}
    query = "&".join(f"{name}={quote_plus(content[name])}" for name in sorted(content))
    timestamp, nonce = str(int(time.time())), uuid4().hex
    message = f"{timestamp}\n{nonce}\n{query}".encode()
    digest = hmac.new(secret.encode(), message, hashlib.sha256).digest()
    headers = {
        "Webhook-Timestamp": timestamp,
        "Webhook-Nonce": nonce,
        "Webhook-Signature": base64.b64encode(digest).decode(),
        "Ai-Trace-Id": key,
    }
    return headers, json.dumps(content).encode()


async def told(lab: Lab, submission: ProviderSubmission) -> None:
    """The vendor calls back about the submission."""
    (made,) = [
        row
        for row in await lab.simulator.charges(kind="charge")
        if row["trace_id"] == submission.key
    ]
    headers, body = callback(made["video_id"], submission.key)
    answer = await lab.services.callbacks.receive("pixverse", submission.account_id, headers, body)
    assert answer == "ok"


# --- no repetition ---


@pytest.mark.parametrize("fault", ["accept_then_drop", "drop_before"])
async def test_a_doubt_that_cannot_be_settled_becomes_a_persons_decision(
    lab: Lab, fault: str
) -> None:
    user = await lab.make.user()
    account = await lab.make.pixverse_account(credits=Decimal(1000))
    job = await closed(lab, user, fault)
    cost = job.estimated_credits
    assert job.attention_code == "outcome_unknown"
    assert job.attention_message is not None
    assert "was not sent again" in job.attention_message
    assert await lab.reservations() == []
    left = (await lab.services.accounts.get_account(account.id)).credits
    assert left == 1000 - cost, "presumed spent until the balance is read"
    assert job.charged_credits == 0, "the person is not charged"
    said = await lab.services.dispatcher.explain(job.id, user)
    assert (said.reason_code, said.reason) == ("outcome_unknown", job.attention_message)
    for _ in range(2):
        await lab.services.dispatcher.dispatch("pixverse")
        await lab.services.upkeep.sweep()
        await lab.polled()
    assert len(await lab.simulator.requests(endpoint=SUBMIT)) == 1
    attention = await lab.services.jobs.list_jobs(user, needs_attention=True)
    assert [item.id for item in attention.items] == [job.id]


async def test_another_attempt_needs_a_persons_word(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    job = await closed(lab, user)
    with pytest.raises(InvalidJob) as raised:
        await lab.services.jobs.retry_job(job.id, user)
    assert raised.value.fields[0].field == "accept_second_charge"
    await lab.services.jobs.retry_job(job.id, user, accept_second_charge=True)
    done = await lab.completed(job)
    assert (done.status, done.attention_code) == (JobStatus.COMPLETED, None)
    assert await lab.charges() == 2, "two keys, as the person accepted"


async def test_a_given_up_or_cancelled_doubt_still_needs_that_word(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account(max_concurrent_jobs=5)
    given_up = await closed(lab, user)
    failed = await lab.services.jobs.dismiss_attention(given_up.id, user)
    assert (failed.status, failed.error_code) == (JobStatus.FAILED, "outcome_unknown")
    cancelled = await doubtful(lab, user)
    await lab.services.jobs.cancel_job(cancelled.id, user)
    with pytest.raises(JobStateConflict, match="under way"):
        await lab.services.jobs.retry_job(cancelled.id, user)
    await lab.sql("UPDATE provider_submissions SET submitted_at = now() - interval '1 day'")
    await lab.services.runner.resolve((await lab.submission(cancelled)).id)
    for job in (given_up, cancelled):
        with pytest.raises(InvalidJob):
            await lab.services.jobs.retry_job(job.id, user)


async def test_a_vendor_without_lookup_has_one_doubt_per_account_at_a_time(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account(max_concurrent_jobs=5)
    first, second = await lab.make.job(user), await lab.make.job(user)
    await lab.services.dispatcher.dispatch("pixverse")
    await lab.simulator.fault({"kind": "accept_then_drop"}, endpoint=SUBMIT, times=1)
    await lab.services.runner.submit((await lab.submission(first)).id)
    held_back = await lab.submission(second)
    await lab.services.runner.submit(held_back.id)
    assert (await lab.submission(second)).state is S.ABANDONED, "another account may take it"
    assert (await lab.job(second)).status is JobStatus.PENDING
    await lab.sql("UPDATE jobs SET available_at = now() - interval '1 s'")
    assert await lab.services.dispatcher.dispatch("pixverse") == 0
    assert (await lab.services.dispatcher.explain(second.id, user)).reason_code == "in_doubt"
    await lab.sql("UPDATE provider_submissions SET submitted_at = now() - interval '1 day'")
    await lab.services.runner.resolve((await lab.submission(first)).id)
    assert (await lab.sent(second)).state is S.ACCEPTED
    assert await lab.charges() == 2


async def test_a_submission_is_sent_by_one_worker_only(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    job = await lab.make.job(user)
    submission = await lab.reserved(job)
    await asyncio.gather(*(lab.services.runner.submit(submission.id) for _ in range(8)))
    assert (await lab.submission(job)).state is S.ACCEPTED
    assert len(await lab.simulator.requests(endpoint=SUBMIT)) == 1


# --- finding out ---


async def test_a_callback_settles_a_doubt(lab: Lab) -> None:
    user = await lab.make.user()
    await account_with_webhook(lab, user)
    job = await doubtful(lab, user)
    await told(lab, await lab.submission(job))
    assert (await lab.submission(job)).state is S.ACCEPTED
    await lab.polled()
    assert (await lab.job(job)).status is JobStatus.COMPLETED
    assert await lab.charges() == 1


async def test_a_callback_about_a_known_job_brings_the_poll_forward(lab: Lab) -> None:
    user = await lab.make.user()
    await account_with_webhook(lab, user)
    job = await lab.make.job(user)
    submission = await lab.sent(job)
    await lab.sql("UPDATE provider_submissions SET next_poll_at = now() + interval '1 hour'")
    assert await lab.services.poller.poll_due() == 0
    await told(lab, submission)
    await told(lab, submission)
    assert await lab.services.poller.poll_due() == 1
    assert (await lab.job(job)).status is JobStatus.COMPLETED


async def test_a_forged_callback_changes_nothing(lab: Lab) -> None:
    user, other = await lab.make.user(), await lab.make.user()
    account = await account_with_webhook(lab, user)
    stranger = await account_with_webhook(lab, other)
    plain = await lab.make.pixverse_account(key="sk-test-2")
    job = await doubtful(lab, user)
    submission = await lab.submission(job)
    forged = callback(1, submission.key, secret="guessed")
    genuine = callback(1, submission.key)
    for provider_id, account_id, (headers, body) in (
        ("pixverse", account.id, forged),
        ("pixverse", account.id, (genuine[0], genuine[1].replace(b"1", b"2"))),
        ("pixverse", plain.id, genuine),
        ("pixverse", uuid4(), genuine),
        ("local", account.id, genuine),
    ):
        with pytest.raises(CallbackRefused):
            await lab.services.callbacks.receive(provider_id, account_id, headers, body)
    # Signed by another customer: true for them, and about nothing of theirs.
    await lab.services.callbacks.receive("pixverse", stranger.id, *genuine)
    if submission.account_id != stranger.id:
        assert (await lab.submission(job)).state is S.IN_DOUBT


async def test_a_callback_after_the_doubt_was_closed_is_adopted(lab: Lab) -> None:
    user = await lab.make.user()
    await account_with_webhook(lab, user)
    job = await closed(lab, user)
    await told(lab, await lab.submission(job))
    await lab.polled()
    done = await lab.job(job)
    assert (done.status, done.attention_code) == (JobStatus.COMPLETED, None)
    assert await lab.charges() == 1


async def test_a_callback_during_a_second_attempt_waits_for_its_turn(lab: Lab) -> None:
    user = await lab.make.user()
    await account_with_webhook(lab, user)
    job = await closed(lab, user)
    first = await lab.submission(job)
    await lab.services.jobs.retry_job(job.id, user, accept_second_charge=True)
    await lab.reserved(job)
    await told(lab, first)
    await lab.services.runner.submit((await lab.submission(job)).id)
    await lab.polled()
    done = await lab.job(job)
    assert done.status is JobStatus.COMPLETED
    await lab.services.ingest.ingest(done.asset_id)  # type: ignore[arg-type]
    await lab.polled()
    states = [item.state for item in await lab.services.providers.get_job_submissions(job.id)]
    assert states == [S.COMPLETED_REMOTE, S.FETCHED]
    everything = await lab.services.assets.list_assets(user)
    assert len(everything.items) == 2, "both were paid for, both are kept"


async def test_a_result_long_after_its_time_is_adopted(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.make.pixverse_account()
    await lab.simulator.fault({"kind": "never_finish"}, endpoint=SUBMIT, times=1)
    job = await lab.make.job(user)
    submission = await lab.sent(job)
    await lab.sql("UPDATE provider_submissions SET state_deadline_at = now() - interval '1 s'")
    await lab.services.upkeep.sweep()
    waiting = await lab.job(job)
    assert waiting.attention_code == "no_result_in_time"
    assert await lab.reservations() == []
    (generation,) = await lab.simulator.generations()
    await lab.simulator.finish(generation["id"])
    await lab.polled()
    done = await lab.job(job)
    assert (done.status, done.attention_code) == (JobStatus.COMPLETED, None)
    assert (await lab.submission(job)).id == submission.id


async def test_an_answer_that_was_written_down_is_not_lost_with_its_worker(lab: Lab) -> None:
    """The worker died between the evidence and the transition."""
    user = await lab.make.user()
    await lab.make.pixverse_account()
    job = await lab.make.job(user)
    submission = await lab.reserved(job)
    outcome = await lab.services.runner._sender.send(submission.id)
    assert outcome is not None
    assert outcome.kind == "accepted"
    await lab.sql("UPDATE provider_submissions SET state_deadline_at = now() - interval '1 s'")
    await lab.services.upkeep.sweep()
    await lab.services.runner.resolve(submission.id)
    await lab.polled()
    assert (await lab.job(job)).status is JobStatus.COMPLETED
    assert len(await lab.simulator.requests(endpoint=SUBMIT)) == 1


# --- a provider that de-duplicates ---


async def left_submitting(lab: Lab, job: Job) -> ProviderSubmission:
    """Its worker declared the intent and went away; a sweep has seen it."""
    submission = await lab.reserved(job)
    await lab.sql(
        "UPDATE provider_submissions SET state = 'submitting', submitted_at = now(),"
        " state_deadline_at = now() - interval '1 s' WHERE id = :id",
        id=submission.id,
    )
    await lab.services.upkeep.sweep()
    return submission


async def test_a_keyed_doubt_is_sent_again_under_its_key(lab: Lab) -> None:
    user = await lab.make.user()
    job = await lab.make.job(user, "local", params={"prompt": "sea"})
    submission = await left_submitting(lab, job)
    assert (await lab.submission(job)).state is S.IN_DOUBT
    await lab.services.runner.resolve(submission.id)
    accepted = await lab.submission(job)
    assert (accepted.state, accepted.attempt) == (S.ACCEPTED, 1)
    assert accepted.provider_job_id is not None
    assert accepted.provider_job_id.endswith(submission.key)
    await lab.services.jobs.cancel_job(job.id, user)
    await lab.services.runner.cancel_submission(submission.id)


async def test_a_keyed_doubt_of_a_cancelled_job_is_not_sent_again(lab: Lab) -> None:
    user = await lab.make.user()
    job = await lab.make.job(user, "local", params={"prompt": "sea"})
    submission = await left_submitting(lab, job)
    await lab.services.jobs.cancel_job(job.id, user)
    await lab.services.runner.resolve(submission.id)
    assert (await lab.submission(job)).state is S.IN_DOUBT
    spool = lab.container.settings.data_dir / "render"
    assert not list(spool.rglob(f"*{submission.key}*"))


async def test_two_accounts_may_have_a_job_of_the_same_number(lab: Lab) -> None:
    user = await lab.make.user()
    mine = await lab.make.pixverse_account(key="sk-test-1", max_concurrent_jobs=1)
    other = await lab.make.pixverse_account(key="sk-test-2", max_concurrent_jobs=1)
    first = await lab.sent(await lab.make.job(user))
    job = await lab.make.job(user)
    second = await left_submitting(lab, job)
    assert {first.account_id, second.account_id} == {mine.id, other.id}
    assert first.provider_job_id is not None
    await lab.services.runner.adopt(second.id, Accepted(first.provider_job_id), "callback")
    assert (await lab.submission(job)).state is S.ACCEPTED
