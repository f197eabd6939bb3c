"""What administrators see of the installation."""

from dataclasses import asdict
from datetime import date, datetime
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field

from pixsim7_backend.api.schemas.base import In, NextCursor, Number, Out, PageParams
from pixsim7_backend.api.schemas.event import EventRead
from pixsim7_backend.api.schemas.job import JobCounts
from pixsim7_backend.api.schemas.provider import Availability
from pixsim7_backend.infrastructure.database.repositories.statistics import UsageGroup, UsageRow


class Health(Out):
    """Each component is `ok`, or a sentence."""

    status: str = Field(examples=["ok"])
    components: dict[str, str] = Field(default_factory=dict)


class ProviderOverview(Out):
    provider_id: str
    name: str
    accounts_by_status: dict[str, int]
    availability: Availability


class Overview(Out):
    health: Health
    jobs: JobCounts
    providers: list[ProviderOverview]


class SettingsRead(Out):
    """The settings in force. Secrets are not among them, nor passwords inside of URLs."""

    settings: dict[str, Any]


class EventQuery(PageParams):
    """Which events; what is left out does not matter."""

    type: str | None = Field(default=None, max_length=100)
    user_id: UUID | None = None
    job_id: UUID | None = None
    account_id: UUID | None = None
    asset_id: UUID | None = None


class AuditEvent(EventRead):
    user_id: UUID | None


class EventPage(Out):
    items: list[AuditEvent]
    next_cursor: NextCursor


class EventTypeRead(Out):
    type: str
    description: str


class EventTypeList(Out):
    items: list[EventTypeRead]


class UsageQuery(In):
    """Days of UTC, both included; left out: the last 30."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    first: date | None = Field(default=None, alias="from")
    last: date | None = Field(default=None, alias="to")
    group: UsageGroup = UsageGroup.DAY


class UsageRowRead(Out):
    """Of accounts, attempts take the place of jobs."""

    key: str = Field(description="The day, or the id.")
    label: str
    jobs: int
    completed: int
    failed: int
    cancelled: int
    credits: Number
    success_rate: float | None = Field(description="0 to 1, of what completed or failed.")
    p50_s: float | None = Field(description="Seconds of generation.")
    p90_s: float | None

    @classmethod
    def of(cls, row: UsageRow) -> Self:
        ended = row.completed + row.failed
        rate = row.completed / ended if ended else None
        return cls.model_validate({**asdict(row), "success_rate": rate})


class UsageReportRead(Out):
    first: date = Field(serialization_alias="from")
    last: date = Field(serialization_alias="to")
    group: UsageGroup
    rows: list[UsageRowRead]
    total: UsageRowRead


class CheckRead(Out):
    name: str
    title: str
    state: Literal["ok", "warn", "bad"]
    sentence: str
    fix: str | None = Field(description="What to do about it, in words.")


class TaskDepthRead(Out):
    task: str
    waiting: int
    running: int


class QueueRead(Out):
    waiting: int
    running: int
    by_task: list[TaskDepthRead]


class WorkerRead(Out):
    id: UUID
    host: str
    version: str
    started_at: datetime
    last_beat_at: datetime
    is_alive: bool


class StorageRead(Out):
    disk_free_bytes: int | None
    disk_total_bytes: int | None
    blobs: int
    blob_bytes: int


class VersionsRead(Out):
    pixsim7: str
    python: str
    postgres: str


class HealthReportRead(Out):
    status: Literal["ok", "warn", "bad"] = Field(description="That of the worst check.")
    checks: list[CheckRead]
    queue: QueueRead
    workers: list[WorkerRead]
    storage: StorageRead
    versions: VersionsRead
