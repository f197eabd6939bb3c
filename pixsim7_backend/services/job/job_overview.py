"""Jobs with all that a list shows of them, in a fixed number of questions for a whole page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from pixsim7_backend.domain.asset import Asset
from pixsim7_backend.domain.job import MIN_PRIORITY, Job, JobState
from pixsim7_backend.domain.vocabulary import JobStatus, SubmissionState
from pixsim7_backend.infrastructure.database.engine import Database
from pixsim7_backend.infrastructure.database.repositories.job_overview import (
    JobOverviewRepository,
    LastAttempt,
)
from pixsim7_backend.services.provider.registry import ProviderRegistry, media_slots


@dataclass(frozen=True, slots=True)
class JobView:
    """A job and what belongs to it."""

    job: Job
    username: str
    provider_name: str
    attempt: LastAttempt | None
    queue_position: int | None
    eta_s: float | None
    """Expected seconds from now to the result."""
    child_ids: Sequence[UUID]
    assets: Sequence[Asset]
    input: Asset | None
    """The first medium that it was given."""
    choices: Sequence[str]

    @property
    def reserved_credits(self) -> Decimal:
        return self.attempt.reserved_credits if self.attempt else Decimal(0)

    @property
    def returned_credits(self) -> Decimal:
        """What came back of the last attempt's hold, once the job has ended; what may have been
        charged did not come back."""
        attempt = self.attempt
        if not self.job.is_final or attempt is None or attempt.is_open:
            return Decimal(0)
        if attempt.state is SubmissionState.CLOSED_UNKNOWN:
            return Decimal(0)
        charged = attempt.charged_credits or Decimal(0)
        return max(attempt.estimated_credits - charged, Decimal(0))


class JobOverview:
    """Reads only."""

    def __init__(self, database: Database, registry: ProviderRegistry) -> None:
        self._db = database
        self._registry = registry

    async def describe(self, jobs: Sequence[Job]) -> list[JobView]:
        """The jobs in the same order."""
        ids = [job.id for job in jobs]
        waiting = [job for job in jobs if job.state is JobState.WAITING]
        providers = {job.provider_id for job in waiting}
        inputs = {job.id: _first_input(self._registry, job) for job in jobs}
        async with self._db.transaction() as tx:
            rows = JobOverviewRepository(tx.session)
            attempts = await rows.last_attempts(ids)
            children = await rows.children(ids)
            assets = await rows.assets(ids)
            given = await rows.inputs({id for id in inputs.values() if id is not None})
            names = await rows.usernames({job.user_id for job in jobs})
            places = await rows.places(providers, [job.id for job in waiting]) if waiting else {}
            slots = await rows.slots(providers) if waiting else {}
        return [
            JobView(
                job=job,
                username=names.get(job.user_id, ""),
                provider_name=self._provider_name(job.provider_id),
                attempt=attempts.get(job.id),
                queue_position=places.get(job.id),
                eta_s=_eta_s(
                    job,
                    attempts.get(job.id),
                    places.get(job.id),
                    slots.get(job.provider_id, 0),
                ),
                child_ids=children.get(job.id, []),
                assets=assets.get(job.id, []),
                input=_own(given.get(inputs[job.id] or job.id), job),
                choices=choices(job, attempts.get(job.id)),
            )
            for job in jobs
        ]

    def _provider_name(self, provider_id: str) -> str:
        known = provider_id in self._registry.ids()
        return self._registry.adapter(provider_id).manifest.name if known else provider_id


def _own(asset: Asset | None, job: Job) -> Asset | None:
    return asset if asset is not None and asset.user_id == job.user_id else None


def _first_input(registry: ProviderRegistry, job: Job) -> UUID | None:
    """The asset that the job was given first, when it was named by id."""
    if job.provider_id not in registry.ids():
        return None
    spec = registry.adapter(job.provider_id).manifest.operations.get(job.operation_type)
    for name in media_slots(spec.params_model) if spec is not None else ():
        value: Any = job.params.get(name)
        first = value[0] if isinstance(value, list) and value else value
        try:
            return UUID(first)
        except (ValueError, TypeError, AttributeError):
            continue
    return None


def _eta_s(job: Job, attempt: LastAttempt | None, place: int | None, slots: int) -> float | None:
    run_s = job.eta_s
    if run_s is None:
        return None
    now = datetime.now(UTC)
    match job.state:
        case JobState.RUNNING:
            started = job.started_at or job.updated_at
            expected = run_s if attempt is None else attempt.eta_s
            return max(expected - (now - started).total_seconds(), 0.0)
        case JobState.SENDING:
            return run_s
        case JobState.SCHEDULED:
            return run_s + (job.available_at - now).total_seconds()
        case JobState.WAITING if place is not None and slots:
            return run_s * (1 + (place - 1) / slots)
        case _:
            return None


def choices(job: Job, attempt: LastAttempt | None) -> list[str]:
    """What a person may do with the job now, in the words of the API."""
    found = []
    if not job.is_final:
        found.append("cancel")
    if job.status is JobStatus.PENDING:
        is_sent = attempt is not None and attempt.is_open
        if job.is_paused:
            found.append("resume")
        elif not is_sent or (attempt and attempt.state is SubmissionState.RESERVED):
            found.append("pause")
        if job.priority > MIN_PRIORITY:
            found.append("to_front")
    has_ended = job.status in (JobStatus.FAILED, JobStatus.CANCELLED)
    is_settled = attempt is None or not attempt.is_open
    if (has_ended or job.attention_code is not None) and is_settled:
        is_unknown = attempt is not None and attempt.state is SubmissionState.CLOSED_UNKNOWN
        found.append("retry_second_charge" if is_unknown else "retry")
    if job.attention_code is not None and not job.is_final:
        found.append("dismiss")
    return found
