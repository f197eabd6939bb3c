"""Jobs: accept, look, steer."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Header, Query

from pixsim7_backend.api.dependencies import (
    CurrentUser,
    DispatcherDep,
    Generator,
    JobSvc,
    ProviderSvc,
)
from pixsim7_backend.api.errors import problems
from pixsim7_backend.api.schemas.event import EventList, EventRead
from pixsim7_backend.api.schemas.job import (
    JobBatch,
    JobCounts,
    JobCreate,
    JobEstimate,
    JobExplanation,
    JobList,
    JobPage,
    JobQuery,
    JobRead,
    JobRetry,
    JobUpdate,
    SubmissionList,
    SubmissionRead,
)
from pixsim7_backend.domain.job import (
    IdempotencyMismatch,
    InvalidJob,
    JobNotFound,
    JobStateConflict,
)
from pixsim7_backend.domain.user import QuotaExceeded
from pixsim7_backend.services.job.job_service import NewJob

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


def new_job(body: JobCreate) -> NewJob:
    return NewJob(**{name: getattr(body, name) for name in JobCreate.model_fields})


@router.post(
    "",
    name="create",
    status_code=202,
    responses=problems(InvalidJob, IdempotencyMismatch, QuotaExceeded),
)
async def create_job(
    body: JobCreate, user: Generator, jobs: JobSvc, idempotency_key: IdempotencyKey = None
) -> JobRead:
    """Accept a job. After this answer it is never lost."""
    created = await jobs.create_jobs(user, [new_job(body)], idempotency_key=idempotency_key)
    return JobRead.model_validate(created[0])


@router.post(
    "/batch",
    name="create_batch",
    status_code=202,
    responses=problems(InvalidJob, IdempotencyMismatch, QuotaExceeded),
)
async def create_batch(
    body: JobBatch, user: Generator, jobs: JobSvc, idempotency_key: IdempotencyKey = None
) -> JobList:
    """Accept several jobs, all of them or none. They share a `batch_id`."""
    requests = [new_job(item) for item in body.jobs]
    created = await jobs.create_jobs(user, requests, idempotency_key=idempotency_key)
    return JobList.model_validate({"items": created})


@router.post("/estimate", name="estimate", responses=problems(InvalidJob))
async def estimate_job(body: JobCreate, user: CurrentUser, jobs: JobSvc) -> JobEstimate:
    """What a job would cost and how long it may take; checked as acceptance would."""
    spec, estimate, eta_s = await jobs.estimate(user, new_job(body))
    return JobEstimate(
        provider_id=body.provider_id,
        operation_type=spec.operation,
        output=spec.output,
        credits=estimate.credits,
        is_exact=estimate.is_exact,
        note=estimate.note,
        eta_s=eta_s,
    )


@router.get("", name="list")
async def list_jobs(
    query: Annotated[JobQuery, Query()], user: CurrentUser, jobs: JobSvc
) -> JobPage:
    """Your jobs, newest first."""
    page = await jobs.list_jobs(user, **query.model_dump())
    return JobPage.model_validate(page)


@router.get("/counts", name="counts")
async def count_jobs(user: CurrentUser, jobs: JobSvc) -> JobCounts:
    """How many of your jobs are in each status."""
    return JobCounts.model_validate(await jobs.count_jobs(user))


@router.get("/{job_id}", name="get", responses=problems(JobNotFound))
async def get_job(job_id: UUID, user: CurrentUser, jobs: JobSvc) -> JobRead:
    return JobRead.model_validate(await jobs.get_job_for_user(job_id, user))


@router.patch(
    "/{job_id}",
    name="update",
    responses=problems(JobNotFound, JobStateConflict, InvalidJob),
)
async def update_job(job_id: UUID, body: JobUpdate, user: Generator, jobs: JobSvc) -> JobRead:
    """Change name and workspace at any time, priority and schedule while the job waits."""
    changes = body.model_dump(exclude_unset=True)
    return JobRead.model_validate(await jobs.update_job(job_id, user, changes))


@router.post("/{job_id}/cancel", name="cancel", responses=problems(JobNotFound, JobStateConflict))
async def cancel_job(job_id: UUID, user: Generator, jobs: JobSvc) -> JobRead:
    """Cancel. A completion that already happened wins; what was not sent is never sent."""
    return JobRead.model_validate(await jobs.cancel_job(job_id, user))


@router.post(
    "/{job_id}/retry",
    name="retry",
    status_code=202,
    responses=problems(JobNotFound, JobStateConflict, InvalidJob, QuotaExceeded),
)
async def retry_job(
    job_id: UUID, user: Generator, jobs: JobSvc, body: Annotated[JobRetry | None, Body()] = None
) -> JobRead:
    """Try an ended job again, as a new attempt that counts against the quota."""
    accept = body is not None and body.accept_second_charge
    return JobRead.model_validate(await jobs.retry_job(job_id, user, accept_second_charge=accept))


@router.post("/{job_id}/dismiss", name="dismiss", responses=problems(JobNotFound, JobStateConflict))
async def dismiss_job(job_id: UUID, user: Generator, jobs: JobSvc) -> JobRead:
    """Give up a job that waits for a person's decision."""
    return JobRead.model_validate(await jobs.dismiss_attention(job_id, user))


@router.post("/{job_id}/pause", name="pause", responses=problems(JobNotFound, JobStateConflict))
async def pause_job(job_id: UUID, user: Generator, jobs: JobSvc) -> JobRead:
    """Hold a waiting job back."""
    return JobRead.model_validate(await jobs.pause_job(job_id, user))


@router.post("/{job_id}/resume", name="resume", responses=problems(JobNotFound, JobStateConflict))
async def resume_job(job_id: UUID, user: Generator, jobs: JobSvc) -> JobRead:
    """Let a paused job wait in line again."""
    return JobRead.model_validate(await jobs.resume_job(job_id, user))


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
