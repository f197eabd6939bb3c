"""What happened, in the order in which it was committed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import UserDefinedType

from pixsim7_backend.domain.base import Base, CreatedAt


class Xid8(UserDefinedType[int]):
    """PostgreSQL's 64-bit transaction id."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"


class Event(Base):
    """Written in the transaction of what it tells. Read in the order (xid, id).

    A lower id may commit later than a higher one, so readers only go up to transactions that are
    older than every open one; see docs/decisions.
    """

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_xid_id", "xid", "id"),
        Index("ix_events_user_id_xid_id", "user_id", "xid", "id"),
        Index("ix_events_job_id_id", "job_id", "id", postgresql_where=text("job_id IS NOT NULL")),
        Index("ix_events_created_at", "created_at", postgresql_using="brin"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    xid: Mapped[int] = mapped_column(Xid8, server_default=text("pg_current_xact_id()"))
    type: Mapped[str]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    """Whose stream it belongs to; NULL: administrators only."""
    job_id: Mapped[UUID | None]
    asset_id: Mapped[UUID | None]
    account_id: Mapped[UUID | None]
    data: Mapped[dict[str, Any]]
    created_at: Mapped[CreatedAt]


@dataclass(frozen=True, slots=True)
class CommittedEvent:
    """An event as every reader sees it. `position` orders the stream and resumes it."""

    position: str
    id: int
    type: str
    user_id: UUID | None
    job_id: UUID | None
    asset_id: UUID | None
    account_id: UUID | None
    data: dict[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None

    def for_reader(self, reader_id: UUID) -> "CommittedEvent":
        """The event as this person may see it: of others, what they named and tagged is left out,
        as it is in lists of their jobs."""
        if self.user_id in (None, reader_id):
            return self
        return replace(self, data=_without_words(self.data))

    def public(self) -> dict[str, Any]:
        """What clients see of it, in streams and webhooks alike."""
        return {
            "id": self.position,
            "type": self.type,
            "user_id": None if self.user_id is None else str(self.user_id),
            "job_id": None if self.job_id is None else str(self.job_id),
            "asset_id": None if self.asset_id is None else str(self.asset_id),
            "account_id": None if self.account_id is None else str(self.account_id),
            "created_at": None if self.created_at is None else self.created_at.isoformat(),
            "data": self.data,
        }


_WORDS = frozenset({"name", "value"})
"""Of an event's data and of the job in it: what a person wrote."""


def _without_words(data: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in data.items() if key not in _WORDS}
    if isinstance(job := kept.get("job"), dict):
        kept["job"] = {key: value for key, value in job.items() if key not in _WORDS}
    return kept


EVENT_TYPES = {
    "job:created": "accepted and waiting",
    "job:updated": "name, priority, schedule or pause changed",
    "job:waiting": "why it waits changed",
    "account:selected": "an account was chosen and reserved",
    "provider:submitted": "the provider took it",
    "provider:refused": "the provider refused this attempt",
    "provider:in_doubt": "the answer to a paid call was lost",
    "job:started": "the provider works on it",
    "job:progress": "how far it is",
    "provider:completed": "the provider has a result",
    "provider:failed": "the provider failed this attempt",
    "job:retrying": "another attempt will follow",
    "job:attention": "a person has to decide",
    "job:completed": "the result is known",
    "job:failed": "no attempt worked",
    "job:cancelled": "stopped by a person or by its parent",
    "asset:created": "a new asset, not yet downloaded if generated",
    "asset:downloading": "its bytes are on the way",
    "asset:downloaded": "its bytes are in the library",
    "asset:derived": "poster, thumbnails and preview are ready",
    "asset:updated": "name, tags, favourite or workspace changed",
    "asset:failed": "its bytes could not be fetched",
    "asset:trashed": "moved to the trash",
    "asset:restored": "taken out of the trash",
    "asset:deleted": "gone",
    "asset:bulk_changed": "many at once: the action and their ids",
    "account:created": "added",
    "account:updated": "limits, sharing or credentials changed",
    "account:status": "became active, exhausted, rate limited, faulty or disabled",
    "account:credits": "the mirror of its balance changed",
    "account:deleted": "removed",
    "workspace:created": "added",
    "workspace:updated": "changed",
    "workspace:deleted": "removed",
    "webhook:created": "added",
    "webhook:updated": "address, filter, state or secret changed by its owner",
    "webhook:disabled": "switched off, as its receiver does not take events",
    "webhook:deleted": "removed",
    "webhook:test": "sent to one webhook, because its owner asked",
    "user:created": "added",
    "user:updated": "role, quota or state changed",
    "user:login": "signed in",
    "user:logout": "signed out, or a session was revoked",
}
"""Every event type and what it tells; publishing an unlisted one fails."""
