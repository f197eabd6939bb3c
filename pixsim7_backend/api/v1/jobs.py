"""Jobs: accept, look, steer."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Header, Query

from pixsim7_backend.api.dependencies import (
    CurrentUser,
    DispatcherDep,
    EstimatorDep,
    Generator,
    JobSvc,
    Links,
    OverviewDep,
    ProviderSvc,
)
from pixsim7_backend.api.errors import problems, read_field
from pixsim7_backend.api.schemas.event import EventList, EventRead
from pixsim7_backend.api.schemas.job import (
    BulkChange,
    BulkResult,
    JobBatch,
    JobCancelled,
    JobCounts,
    JobCreate,
    JobEstimate,
    JobExplanation,
    JobPage,
    JobQuery,
    JobRead,
    JobRequest,
    JobRetry,
    JobsCreated,
    JobUpdate,
    SubmissionList,
    SubmissionRead,
)
from pixsim7_backend.domain.job import (
    IdempotencyMismatch,
    InvalidJob,
    Job,
    JobNotFound,
    JobStateConflict,
)
from pixsim7_backend.domain.user import QuotaExceeded
from pixsim7_backend.services.job.job_overview import JobView
from pixsim7_backend.services.job.job_service import NewJob
from pixsim7_backend.shared.errors import Forbidden

router = APIRouter(prefix="/jobs", tags=["jobs"])

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="Any text of your own, new for each request. The same key with the same body "
        "answers with the jobs that were made the first time, for 30 days. Always send one where "
        "a provider takes credits: a lost answer can then be asked for again without paying twice.",
    ),
]


def new_job(body: JobCreate, path: str = "") -> NewJob:
    return NewJob(**{name: getattr(body, name) for name in JobCreate.model_fields}, path=path)


def new_jobs(body: JobRequest, path: str = "") -> list[NewJob]:
    """One for each seed, or as many as are asked for."""
    first = new_job(body, path)
    seed = body.params.get("seed")
    if body.seeds is not None:
        seeds: list[int] | None = body.seeds
    else:
        seeds = [seed + number for number in range(body.count)] if isinstance(seed, int) else None
    if seeds is None:
        return [first] * body.count
    return [replace(first, params={**body.params, "seed": seed}) for seed in seeds]


class JobReader:
    """Jobs as this person may see them, with links of theirs."""

    def __init__(self, overview: OverviewDep, links: Links, user: CurrentUser) -> None:
        self._overview = overview
        self._links = links
        self._user = user

    async def one(self, job: Job) -> JobRead:
        return (await self.many([job]))[0]

    async def many(self, jobs: Sequence[Job]) -> list[JobRead]:
        return [self._read(view) for view in await self._overview.describe(jobs)]

    def _read(self, view: JobView) -> JobRead:
        job, attempt = view.job, view.attempt
        is_own = job.user_id == self._user.id
        shown = next((item for item in view.assets if item.id == job.asset_id), None)
        own = {name: getattr(job, name) for name in JobRead.model_fields if hasattr(job, name)}
        return JobRead.model_validate(
            {
                **own,
                "user": {"id": job.user_id, "username": view.username},
                "name": job.name if is_own else None,
                "params": job.params if is_own else {},
                "prompt": str(job.params.get("prompt", "")) if is_own else "",
                "model": job.params.get("model"),
                "provider_name": view.provider_name,
                "choices": view.choices,
                "child_ids": view.child_ids,
                "eta_s": view.eta_s,
                "queue_position": view.queue_position,
                "account": attempt and {"id": attempt.account_id, "name": attempt.account_name},
                "reserved_credits": view.reserved_credits,
                "returned_credits": view.returned_credits,
                "asset_ids": [asset.id for asset in view.assets],
                "thumb": self._links.thumb(shown) if is_own else None,
                "input_thumb": self._links.thumb(view.input) if is_own else None,
            }
        )


Reader = Annotated[JobReader, Depends()]


@router.post(
    "",
    name="create",
    status_code=202,
    responses=problems(InvalidJob, IdempotencyMismatch, QuotaExceeded),
)
async def create_job(
    body: JobCreate,
    user: Generator,
    jobs: JobSvc,
    reader: Reader,
    idempotency_key: IdempotencyKey = None,
) -> JobRead:
    """Accept a job. After this answer it is never lost."""
    created = await jobs.create_jobs(user, [new_job(body)], idempotency_key=idempotency_key)
    return await reader.one(created[0])


@router.post(
    "/batch",
    name="create_batch",
    status_code=202,
    responses=problems(InvalidJob, IdempotencyMismatch, QuotaExceeded),
)
async def create_batch(
    body: JobBatch,
    user: Generator,
    jobs: JobSvc,
    reader: Reader,
    idempotency_key: IdempotencyKey = None,
) -> JobsCreated:
    """Accept several jobs, all of them or none. They share a `batch_id`."""
    requests = [
        made for number, item in enumerate(body.jobs) for made in new_jobs(item, f"jobs.{number}.")
    ]
    created = await jobs.create_jobs(user, requests, idempotency_key=idempotency_key, is_batch=True)
    return JobsCreated.model_validate(
        {"batch_id": created[0].batch_id, "items": await reader.many(created)}
    )


@router.post("/estimate", name="estimate")
async def estimate_job(body: JobRequest, user: CurrentUser, estimator: EstimatorDep) -> JobEstimate:
    """What a run would cost, who could make it and when. What is wrong with it is told by field,
    in an answer of 200: a form asks while it is being filled in."""
    found = await estimator.estimate(user, new_jobs(body))
    named = {
        name: getattr(found, name) for name in JobEstimate.model_fields if hasattr(found, name)
    }
    return JobEstimate.model_validate(
        {
            **named,
            "provider_id": body.provider_id,
            "operation_type": body.operation_type,
            "problems": [read_field(problem) for problem in found.problems],
        }
    )


@router.post("/bulk", name="change_many", responses=problems(Forbidden))
async def change_many(body: BulkChange, user: Generator, jobs: JobSvc) -> BulkResult:
    """One action on many jobs, each by itself, at most 500 in a call."""
    filters = {} if body.filter is None else body.filter.model_dump()
    result = await jobs.change_many(user, body.action, ids=body.ids, **filters)
    return BulkResult.model_validate(result)


@router.get("", name="list", responses=problems(Forbidden))
async def list_jobs(
    query: Annotated[JobQuery, Query()], user: CurrentUser, jobs: JobSvc, reader: Reader
) -> JobPage:
    """Your jobs, newest first."""
    page = await jobs.list_jobs(user, **query.model_dump())
    return JobPage(items=await reader.many(page.items), next_cursor=page.next_cursor)


@router.get("/counts", name="counts", responses=problems(Forbidden))
async def count_jobs(
    user: CurrentUser,
    jobs: JobSvc,
    all_users: Annotated[bool, Query(description="Everybody's; administrators only.")] = False,
) -> JobCounts:
    """How many of your jobs are in each status and group."""
    return JobCounts.model_validate(await jobs.count_jobs(user, all_users=all_users))


@router.get("/{job_id}", name="get", responses=problems(JobNotFound))
async def get_job(job_id: UUID, user: CurrentUser, jobs: JobSvc, reader: Reader) -> JobRead:
    return await reader.one(await jobs.get_job_for_user(job_id, user))


@router.patch(
    "/{job_id}",
    name="update",
    responses=problems(JobNotFound, JobStateConflict, InvalidJob),
)
async def update_job(
    job_id: UUID, body: JobUpdate, user: Generator, jobs: JobSvc, reader: Reader
) -> JobRead:
    """Change name and workspace at any time, priority and schedule while the job waits."""
    changes = body.model_dump(exclude_unset=True)
    return await reader.one(await jobs.update_job(job_id, user, changes))


@router.post("/{job_id}/cancel", name="cancel", responses=problems(JobNotFound, JobStateConflict))
async def cancel_job(job_id: UUID, user: Generator, jobs: JobSvc, reader: Reader) -> JobCancelled:
    """Cancel, and with it what was to follow. A completion that already happened wins; what was
    not sent is never sent."""
    shown = await reader.one(await jobs.cancel_job(job_id, user))
    followers = await jobs.list_cancelled_with(job_id)
    return JobCancelled(**shown.model_dump(), cancelled_child_ids=followers)


@router.post(
    "/{job_id}/retry",
    name="retry",
    status_code=202,
    responses=problems(JobNotFound, JobStateConflict, InvalidJob, QuotaExceeded),
)
async def retry_job(
    job_id: UUID,
    user: Generator,
    jobs: JobSvc,
    reader: Reader,
    body: Annotated[JobRetry | None, Body()] = None,
) -> JobRead:
    """Try an ended job again, as a new attempt that counts against the quota."""
    accept = body is not None and body.accept_second_charge
    return await reader.one(await jobs.retry_job(job_id, user, accept_second_charge=accept))


@router.post("/{job_id}/dismiss", name="dismiss", responses=problems(JobNotFound, JobStateConflict))
async def dismiss_job(job_id: UUID, user: Generator, jobs: JobSvc, reader: Reader) -> JobRead:
    """Give up a job that waits for a person's decision."""
    return await reader.one(await jobs.dismiss_attention(job_id, user))


@router.post("/{job_id}/pause", name="pause", responses=problems(JobNotFound, JobStateConflict))
async def pause_job(job_id: UUID, user: Generator, jobs: JobSvc, reader: Reader) -> JobRead:
    """Hold a waiting job back."""
    return await reader.one(await jobs.pause_job(job_id, user))


@router.post("/{job_id}/resume", name="resume", responses=problems(JobNotFound, JobStateConflict))
async def resume_job(job_id: UUID, user: Generator, jobs: JobSvc, reader: Reader) -> JobRead:
    """Let a paused job wait in line again."""
    return await reader.one(await jobs.resume_job(job_id, user))


@router.get("/{job_id}/explain", name="explain", responses=problems(JobNotFound))
async def explain_job(job_id: UUID, user: CurrentUser, dispatcher: DispatcherDep) -> JobExplanation:
    """Why it waits: each account considered, place in line, expected time."""
    return JobExplanation.model_validate(await dispatcher.explain(job_id, user))


@router.get("/{job_id}/submissions", name="submissions", responses=problems(JobNotFound))
async def list_submissions(
    job_id: UUID, user: CurrentUser, jobs: JobSvc, providers: ProviderSvc
) -> SubmissionList:
    """Every attempt at a provider, oldest first."""
    await jobs.get_job_for_user(job_id, user)
    rows = await providers.get_job_submissions(job_id)
    return SubmissionList(items=[SubmissionRead.model_validate(row) for row in rows])


@router.get("/{job_id}/events", name="events", responses=problems(JobNotFound))
async def list_events(job_id: UUID, user: CurrentUser, jobs: JobSvc) -> EventList:
    """What happened to it, in order."""
    rows = await jobs.get_events(job_id, user)
    return EventList(items=[EventRead.model_validate(row) for row in rows])
