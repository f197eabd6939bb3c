"""Providers of other kinds, as a third party would add them: answering at once, charging at the
end, listing what they made."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest

from pixsim7_backend.domain import JobStatus, MediaType, SubmissionState, VideoStatus
from pixsim7_backend.domain.provider import (
    Accepted,
    Balance,
    HttpStream,
    RemoteOutput,
    RemoteReport,
    SubmissionRef,
    SubmitContext,
    SubmitRequest,
)
from pixsim7_backend.providers.local import LocalAdapter
from tests.services.asset.support import png
from tests.services.conftest import Lab


@dataclass
class Studio:
    """A vendor in this process."""

    base: Any
    answers_at_once: bool = False
    left: Decimal = Decimal(100)
    made: list[str] = field(default_factory=list)

    @property
    def manifest(self) -> Any:
        return replace(
            self.base.manifest,
            id="studio",
            name="Studio",
            charge_moment="completion",
            has_balance=True,
            has_cancel=False,
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self.base, name)

    def output(self, id_: str) -> RemoteOutput:
        return RemoteOutput(f"studio://{id_}", MediaType.IMAGE, id_)

    async def submit(self, request: SubmitRequest, context: SubmitContext) -> Accepted:
        await context.declare_intent()
        self.made.append(request.key)
        outputs = (self.output(request.key),) if self.answers_at_once else ()
        return Accepted(request.key, outputs=outputs)

    async def poll(self, refs: Sequence[SubmissionRef], context: Any) -> Sequence[RemoteReport]:
        return [
            RemoteReport(
                ref.provider_job_id,
                VideoStatus.COMPLETED,
                outputs=(self.output(ref.provider_job_id),),
                credits_charged=Decimal(30),
            )
            for ref in refs
        ]

    async def balance(self, context: Any) -> Balance:
        return Balance(self.left)

    def download(self, output: RemoteOutput, context: Any) -> AbstractAsyncContextManager[Any]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[HttpStream]:
            async def chunks() -> AsyncIterator[bytes]:
                yield png()

            yield HttpStream(200, {}, chunks())

        return opened()


@pytest.fixture
async def studio(lab: Lab) -> Studio:
    registry = lab.services.registry
    local = registry.adapter("local")
    assert isinstance(local, LocalAdapter)
    studio = Studio(local)
    registry._adapters["studio"] = studio
    await lab.services.accounts.create_account(
        None, "studio", "Studio", {}, is_shared=True, credits=Decimal(100)
    )
    return studio


async def job_at(lab: Lab) -> Any:
    user = await lab.make.user()
    return user, await lab.make.job(
        user, "studio", operation_type="text_to_image", params={"prompt": "sea"}
    )


async def test_an_answer_that_carries_the_result_completes_the_job(
    lab: Lab, studio: Studio
) -> None:
    studio.answers_at_once = True
    user, job = await job_at(lab)
    submission = await lab.sent(job)
    assert submission.state is SubmissionState.COMPLETED_REMOTE
    done = await lab.job(job)
    assert done.status is JobStatus.COMPLETED
    assert await lab.reservations() == []
    await lab.services.ingest.ingest(done.asset_id)  # type: ignore[arg-type]
    assert (await lab.asset(done.asset_id, user)).mime_type == "image/png"
    assert (await lab.submission(job)).state is SubmissionState.FETCHED
    assert len(studio.made) == 1


async def test_a_balance_does_not_free_credits_that_are_charged_at_the_end(
    lab: Lab, studio: Studio
) -> None:
    _, job = await job_at(lab)
    await lab.sql("UPDATE jobs SET estimated_credits = 30")
    submission = await lab.sent(job)
    await lab.sql("UPDATE reservations SET credits_held = 30")
    await lab.services.providers.sync_balance(submission.account_id)
    assert await lab.reservations() == [(1, 30.0)], "the balance cannot contain it yet"
    await lab.polled()
    account = await lab.services.accounts.get_account(submission.account_id)
    assert account.credits == 70


async def test_a_result_seen_by_hand_and_then_left_is_brought_home(
    lab: Lab, studio: Studio
) -> None:
    """`check_status` recorded the end, and its caller died before filing it."""
    _, job = await job_at(lab)
    submission = await lab.sent(job)
    account = await lab.services.accounts.get_account(submission.account_id)
    await lab.services.providers.check_status(submission, account)
    assert (await lab.submission(job)).state is SubmissionState.COMPLETED_REMOTE
    await lab.sql("UPDATE provider_submissions SET state_deadline_at = now() - interval '1 s'")
    await lab.services.upkeep.sweep()
    assert (await lab.job(job)).status is JobStatus.COMPLETED


async def test_a_stale_report_does_not_move_a_submission_back(lab: Lab, studio: Studio) -> None:
    _, job = await job_at(lab)
    submission = await lab.sent(job)
    await lab.polled()
    providers = lab.services.providers
    for status in (VideoStatus.PROCESSING, VideoStatus.FAILED, VideoStatus.COMPLETED):
        async with lab.container.database.transaction() as tx:
            await providers.apply_report(tx, submission.id, RemoteReport("x", status))
    ended = await lab.submission(job)
    assert (ended.state, ended.status, ended.progress) == (
        SubmissionState.COMPLETED_REMOTE,
        VideoStatus.COMPLETED,
        1.0,
    )
