"""Outgoing webhooks: where a person wants events sent, and each event on its way there."""

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from pixsim7_backend.domain.base import Base, CreatedAt, EnumText, Id, Timestamps, one_of
from pixsim7_backend.domain.event import EVENT_TYPES
from pixsim7_backend.domain.state_machine import StateMachine
from pixsim7_backend.shared.errors import Conflict, InvalidInput, NotFound

MAX_WEBHOOKS = 10
"""As many may one person have."""

ALL_TYPES = "*"
KNOWN_TYPES = (ALL_TYPES, *EVENT_TYPES)

RETRY_DELAYS_S = (5.0, 300.0, 1800.0, 7200.0, 14400.0, 25200.0, 36000.0)
"""After the first try, the second, and so on; together somewhat less than 24 hours."""
MAX_ATTEMPTS = len(RETRY_DELAYS_S) + 1
DISABLED_AFTER = timedelta(days=5)
"""With nothing but failures for so long, an endpoint is switched off."""
MAX_RESPONSE_BYTES = 1024
"""So much of an answer is kept."""


class WebhookStatus(StrEnum):
    ACTIVE = "active"
    DISABLED = "disabled"
    DELETED = "deleted"


class DeliveryStatus(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


_W = WebhookStatus
_D = DeliveryStatus

WEBHOOK_STATUS = StateMachine(
    table="webhooks",
    column="status",
    initial=(_W.ACTIVE,),
    edges=frozenset(
        {
            (_W.ACTIVE, _W.DISABLED),
            (_W.DISABLED, _W.ACTIVE),
            (_W.ACTIVE, _W.DELETED),
            (_W.DISABLED, _W.DELETED),
        }
    ),
)

DELIVERY_STATUS = StateMachine(
    table="webhook_deliveries",
    column="status",
    initial=(_D.PENDING,),
    edges=frozenset(
        {
            (_D.PENDING, _D.DELIVERED),
            (_D.PENDING, _D.FAILED),
            (_D.DELIVERED, _D.PENDING),  # replayed by a person
            (_D.FAILED, _D.PENDING),  # replayed by a person
        }
    ),
)


class Webhook(Base, Timestamps):
    """An endpoint. It is never removed while a transaction may still refer to it: the commit of a
    job must not fail for a webhook that somebody deletes meanwhile."""

    __tablename__ = "webhooks"
    __table_args__ = (
        one_of("status", WebhookStatus),
        Index("ix_webhooks_user_id", "user_id", postgresql_where=text("status <> 'deleted'")),
        Index(
            "ix_webhooks_is_for_everybody",
            "user_id",
            postgresql_where=text("is_for_everybody AND status = 'active'"),
        ),
    )

    id: Mapped[Id]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    url: Mapped[str]
    description: Mapped[str] = mapped_column(default="", server_default=text("''"))
    event_types: Mapped[list[str]] = mapped_column(ARRAY(Text))
    is_for_everybody: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    """Events of all people and of the house too; counts while the owner is an administrator."""
    status: Mapped[WebhookStatus] = mapped_column(
        EnumText(WebhookStatus), default=WebhookStatus.ACTIVE
    )
    status_reason: Mapped[str | None]
    secret_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    secret_version: Mapped[int]
    previous_secret_expires_at: Mapped[datetime | None]
    """Until then the secret before signs too."""
    failing_since: Mapped[datetime | None]
    """When the present row of failures began."""
    last_delivered_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    """A worker is sending to it; the value also tells its owner from a later one."""
    paused_until: Mapped[datetime | None]
    """It failed, and is left alone."""


class WebhookDelivery(Base):
    """One event for one endpoint, written in the event's transaction. `id` is the webhook-id."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        one_of("status", DeliveryStatus),
        UniqueConstraint("event_id", "webhook_id"),
        Index("ix_webhook_deliveries_webhook_id_id", "webhook_id", "id"),
        Index(
            "ix_webhook_deliveries_pending",
            "webhook_id",
            "event_id",
            postgresql_where=text("status = 'pending'"),
        ),
        Index("ix_webhook_deliveries_created_at", "created_at"),
    )

    id: Mapped[Id]
    webhook_id: Mapped[UUID] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    event_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("events.id", ondelete="CASCADE"))
    status: Mapped[DeliveryStatus] = mapped_column(
        EnumText(DeliveryStatus), default=DeliveryStatus.PENDING
    )
    attempt_count: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    """Counted when a try begins; only the owner of the latest try may tell how it ended."""
    attempt_limit: Mapped[int] = mapped_column(
        default=MAX_ATTEMPTS, server_default=text(str(MAX_ATTEMPTS))
    )
    """A replay allows further tries."""
    next_attempt_at: Mapped[CreatedAt]
    last_attempt_at: Mapped[datetime | None]
    duration_ms: Mapped[int | None]
    response_status: Mapped[int | None]
    response_body: Mapped[str | None]
    """The beginning of the latest answer; headers are never kept."""
    error: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    finished_at: Mapped[datetime | None]


class WebhookNotFound(NotFound):
    code = "webhook_not_found"
    title = "No such webhook"


class DeliveryNotFound(NotFound):
    code = "delivery_not_found"
    title = "No such delivery"


class InvalidWebhook(InvalidInput):
    code = "invalid_webhook"
    title = "The webhook cannot be like this"


class WebhookDisabled(Conflict):
    code = "webhook_disabled"
    title = "The webhook is switched off"
