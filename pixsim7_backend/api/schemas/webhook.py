"""Webhooks and their deliveries. A secret goes out once, when it is made."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field

from pixsim7_backend.api.schemas.base import In, NextCursor, Out, PageParams
from pixsim7_backend.domain.webhook import (
    ALL_TYPES,
    KNOWN_TYPES,
    DeliveryStatus,
    Webhook,
    WebhookStatus,
)
from pixsim7_backend.infrastructure.database.repositories.webhook import ToldDelivery

EventTypes = Annotated[
    list[Annotated[str, Field(max_length=100, json_schema_extra={"enum": list(KNOWN_TYPES)})]],
    Field(min_length=1, max_length=100, description="Which events are sent; `*` is all."),
]
Url = Annotated[
    str,
    Field(min_length=1, max_length=2048, examples=["https://example.com/hooks/pixsim7"]),
]
Description = Annotated[str, Field(max_length=500)]
IsForEverybody = Annotated[
    bool,
    Field(description="Events of all people and of the house too; administrators only."),
]
Secret = Annotated[
    str, Field(description="Shown this once. Verifies signatures by the Standard Webhooks.")
]


class WebhookCreate(In):
    url: Url
    event_types: EventTypes = Field(default_factory=lambda: [ALL_TYPES])
    description: Description = ""
    is_for_everybody: IsForEverybody = False


class WebhookUpdate(In):
    """Only what is given changes."""

    url: Url = ""
    event_types: EventTypes = Field(default_factory=list)
    description: Description = ""
    is_for_everybody: IsForEverybody = False
    is_enabled: bool = True


class SecretRotation(In):
    overlap_hours: int = Field(
        default=24, ge=0, le=168, description="For so long the secret before signs too."
    )


class WebhookRead(Out):
    id: UUID
    url: str
    description: str
    event_types: list[str]
    is_for_everybody: bool
    status: WebhookStatus
    status_reason: str | None
    failing_since: datetime | None
    paused_until: datetime | None = Field(description="It failed, and is left alone until then.")
    last_delivered_at: datetime | None
    previous_secret_expires_at: datetime | None
    created_at: datetime
    updated_at: datetime


class WebhookSecret(WebhookRead):
    """A webhook with its new secret."""

    secret: Secret

    @classmethod
    def of(cls, webhook: Webhook, secret: str) -> Self:
        return cls(**WebhookRead.model_validate(webhook).model_dump(), secret=secret)


class WebhookList(Out):
    items: list[WebhookRead]


class DeliveryRead(Out):
    id: UUID = Field(description="The header webhook-id, the same in every try.")
    event_type: str
    payload: dict[str, Any] = Field(description="`data` of what is sent.")
    status: DeliveryStatus
    attempt_count: int
    next_attempt_at: datetime | None
    last_attempt_at: datetime | None
    duration_ms: int | None
    response_status: int | None
    response_body: str | None = Field(description="The first KiB of the latest answer.")
    error: str | None
    created_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, told: ToldDelivery) -> Self:
        delivery = told.delivery
        is_pending = delivery.status is DeliveryStatus.PENDING
        return cls(
            id=delivery.id,
            event_type=told.event.type,
            payload=told.event.public(),
            status=delivery.status,
            attempt_count=delivery.attempt_count,
            next_attempt_at=delivery.next_attempt_at if is_pending else None,
            last_attempt_at=delivery.last_attempt_at,
            duration_ms=delivery.duration_ms,
            response_status=delivery.response_status,
            response_body=delivery.response_body,
            error=delivery.error,
            created_at=delivery.created_at,
            finished_at=delivery.finished_at,
        )


class DeliveryQuery(PageParams):
    status: DeliveryStatus | None = None


class DeliveryPage(Out):
    items: list[DeliveryRead]
    next_cursor: NextCursor
