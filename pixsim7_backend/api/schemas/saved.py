"""Presets and saved views."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StringConstraints

from pixsim7_backend.api.schemas.base import In, Out
from pixsim7_backend.domain.vocabulary import OperationType

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
ProviderId = Annotated[str, Field(min_length=1, max_length=100)]
Params = Annotated[
    dict[str, Any],
    Field(description="As the form holds them; they are checked when a job is made of them."),
]
Query = Annotated[str, Field(max_length=4000, description="The search part of the page's address.")]


class PresetCreate(In):
    name: Name
    provider_id: ProviderId
    operation_type: OperationType
    params: Params


class PresetUpdate(In):
    """Only what is given changes."""

    name: Name = ""
    provider_id: ProviderId = ""
    operation_type: OperationType = OperationType.TEXT_TO_VIDEO
    params: Params = Field(default_factory=dict)


class PresetRead(Out):
    id: UUID
    name: str
    provider_id: str
    operation_type: OperationType
    params: dict[str, Any]
    created_at: datetime
    updated_at: datetime


class PresetList(Out):
    items: list[PresetRead]


class ViewCreate(In):
    name: Name
    query: Query


class ViewUpdate(In):
    """Only what is given changes."""

    name: Name = ""
    query: Query = ""


class ViewRead(Out):
    id: UUID
    name: str
    query: str
    created_at: datetime
    updated_at: datetime


class ViewList(Out):
    items: list[ViewRead]
