"""Events."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from pixsim7_backend.api.schemas.base import Out


class EventRead(Out):
    id: int
    type: str = Field(examples=["job:completed"])
    job_id: UUID | None
    asset_id: UUID | None
    account_id: UUID | None
    data: dict[str, Any]
    created_at: datetime


class EventList(Out):
    items: list[EventRead]
