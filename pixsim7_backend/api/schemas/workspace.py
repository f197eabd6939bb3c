"""Workspaces."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from pixsim7_backend.api.schemas.base import In, Out


class WorkspaceCreate(In):
    name: str = Field(min_length=1, max_length=100, examples=["Spring campaign"])
    description: str = Field(default="", max_length=2000)


class WorkspaceUpdate(In):
    """Only what is given changes."""

    name: str = Field(default="", min_length=1, max_length=100)
    description: str = Field(default="", max_length=2000)


class WorkspaceRead(Out):
    id: UUID
    name: str
    description: str
    created_at: datetime
    updated_at: datetime


class WorkspaceList(Out):
    items: list[WorkspaceRead]
