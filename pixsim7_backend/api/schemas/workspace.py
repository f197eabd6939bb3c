"""Workspaces."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from pixsim7_backend.api.schemas.asset import Thumb
from pixsim7_backend.api.schemas.base import In, Number, Out
from pixsim7_backend.domain.job import MAX_PRIORITY, MIN_PRIORITY
from pixsim7_backend.domain.vocabulary import OperationType


class WorkspaceDefaults(In):
    """What new jobs in the workspace start from."""

    operation_type: OperationType | None = None
    provider_id: str | None = Field(default=None, min_length=1, max_length=100)
    model: str | None = Field(default=None, min_length=1, max_length=100)
    priority: int | None = Field(default=None, ge=MIN_PRIORITY, le=MAX_PRIORITY)


class WorkspaceCreate(In):
    name: str = Field(min_length=1, max_length=100, examples=["Spring campaign"])
    description: str = Field(default="", max_length=2000)
    defaults: WorkspaceDefaults = Field(default_factory=WorkspaceDefaults)


class WorkspaceUpdate(In):
    """Only what is given changes; `defaults` as a whole."""

    name: str = Field(default="", min_length=1, max_length=100)
    description: str = Field(default="", max_length=2000)
    defaults: WorkspaceDefaults = Field(default_factory=WorkspaceDefaults)


class WorkspaceRead(Out):
    id: UUID
    name: str
    description: str
    defaults: WorkspaceDefaults
    asset_count: int
    job_count: int
    active_jobs: int
    spent_this_month: Number = Field(description="Credits of the jobs made since the first (UTC).")
    covers: list[Thumb] = Field(description="The newest, at most four.")
    created_at: datetime
    updated_at: datetime


class WorkspaceList(Out):
    items: list[WorkspaceRead]
