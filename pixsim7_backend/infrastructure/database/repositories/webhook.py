"""Webhooks and their deliveries in SQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from pixsim7_backend.domain.event import CommittedEvent, Event
from pixsim7_backend.domain.user import User
from pixsim7_backend.domain.vocabulary import UserRole
from pixsim7_backend.domain.webhook import DeliveryStatus, Webhook, WebhookDelivery, WebhookStatus
from pixsim7_backend.infrastructure.database.repositories.event import committed

_CLOCK = func.clock_timestamp()


@dataclass(frozen=True, slots=True)
class ToldDelivery:
    """A delivery and the event it brings, as the webhook's owner may see it."""

    delivery: WebhookDelivery
    event: CommittedEvent


class WebhookRepository:
    """Rows of `webhooks` and `webhook_deliveries`; deleted webhooks are seen by upkeep only."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    # --- webhooks ---

    async def add(self, webhook: Webhook) -> Webhook:
        self._session.add(webhook)
        await self._session.flush()
        await self._session.refresh(webhook)
        return webhook

    async def find(self, webhook_id: UUID, user_id: UUID) -> Webhook | None:
        statement = select(Webhook).where(_own(webhook_id, user_id))
        return await self._one(statement)

    async def lock(self, webhook_id: UUID, user_id: UUID | None = None) -> Webhook | None:
        """Keep others from changing the row; whoever refers to it (an event's commit) may go on."""
        where = Webhook.id == webhook_id if user_id is None else _own(webhook_id, user_id)
        return await self._one(select(Webhook).where(where).with_for_update(key_share=True))

    async def list_of(self, user_id: UUID) -> Sequence[Webhook]:
        statement = (
            select(Webhook)
            .where(Webhook.user_id == user_id, Webhook.status != WebhookStatus.DELETED)
            .order_by(Webhook.id)
        )
        return (await self._session.scalars(statement)).all()

    async def count_of(self, user_id: UUID) -> int:
        statement = select(func.count()).where(
            Webhook.user_id == user_id, Webhook.status != WebhookStatus.DELETED
        )
        return await self._session.scalar(statement) or 0

    async def update(self, webhook_id: UUID, **values: Any) -> Webhook:
        statement = (
            update(Webhook)
            .where(Webhook.id == webhook_id)
            .values(values)
            .returning(Webhook)
            .execution_options(populate_existing=True, synchronize_session=False)
        )
        return (await self._session.scalars(statement)).one()

    # --- sending ---

    async def claim(self, webhook_id: UUID, lease: timedelta) -> Webhook | None:
        """Become the one who sends to it for a while; None when nobody may now."""
        statement = (
            update(Webhook)
            .where(Webhook.id == webhook_id, _IS_FREE)
            .values(lease_until=_CLOCK + lease)
            .returning(Webhook)
            .execution_options(populate_existing=True, synchronize_session=False)
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def begin_attempts(
        self, webhook_id: UUID, limit: int, lease: timedelta
    ) -> list[ToldDelivery]:
        """Count a try of the next due deliveries, in the order of their events."""
        due = (
            select(WebhookDelivery.id)
            .where(WebhookDelivery.webhook_id == webhook_id, _IS_DUE)
            .order_by(WebhookDelivery.event_id)
            .limit(limit)
            .with_for_update()
            .cte("due")
        )
        statement = (
            update(WebhookDelivery)
            .where(WebhookDelivery.id == due.c.id)
            .values(
                attempt_count=WebhookDelivery.attempt_count + 1,
                last_attempt_at=_CLOCK,
                next_attempt_at=_CLOCK + lease,
            )
            .returning(WebhookDelivery.id)
            .execution_options(synchronize_session=False)
        )
        ids = (await self._session.scalars(statement)).all()
        if not ids:
            return []
        rows = select(WebhookDelivery, Event).join(Event).where(WebhookDelivery.id.in_(ids))
        return await self._told(rows.order_by(Event.id))

    async def postpone(self, delivery: WebhookDelivery, delay_s: float, **seen: Any) -> None:
        """Note how the try ended and when the next follows, unless somebody began one already."""
        await self._session.execute(
            update(WebhookDelivery)
            .where(
                WebhookDelivery.id == delivery.id,
                WebhookDelivery.status == DeliveryStatus.PENDING,
                WebhookDelivery.attempt_count == delivery.attempt_count,
            )
            .values(next_attempt_at=_CLOCK + timedelta(seconds=delay_s), **seen)
            .execution_options(synchronize_session=False)
        )

    async def is_due(self, webhook_id: UUID) -> bool:
        """Whether it could be sent to now."""
        return bool(await self._session.scalar(_DUE.where(Webhook.id == webhook_id)))

    async def list_due(self, limit: int) -> Sequence[UUID]:
        """Webhooks that could be sent to now."""
        return (await self._session.scalars(_DUE.limit(limit))).all()

    # --- deliveries ---

    async def find_delivery(self, delivery_id: UUID, webhook_id: UUID) -> ToldDelivery | None:
        statement = (
            select(WebhookDelivery, Event)
            .join(Event)
            .where(WebhookDelivery.id == delivery_id, WebhookDelivery.webhook_id == webhook_id)
        )
        found = await self._told(statement)
        return found[0] if found else None

    async def latest_delivery(self, webhook_id: UUID, type: str) -> ToldDelivery | None:
        statement = (
            select(WebhookDelivery, Event)
            .join(Event)
            .where(WebhookDelivery.webhook_id == webhook_id, Event.type == type)
            .order_by(WebhookDelivery.id.desc())
            .limit(1)
        )
        found = await self._told(statement)
        return found[0] if found else None

    async def list_deliveries(
        self, webhook_id: UUID, before: UUID | None, limit: int, status: DeliveryStatus | None
    ) -> Sequence[ToldDelivery]:
        statement = (
            select(WebhookDelivery, Event)
            .join(Event)
            .where(WebhookDelivery.webhook_id == webhook_id)
            .order_by(WebhookDelivery.id.desc())
            .limit(limit)
        )
        if before is not None:
            statement = statement.where(WebhookDelivery.id < before)
        if status is not None:
            statement = statement.where(WebhookDelivery.status == status)
        return await self._told(statement)

    # --- cleaning ---

    async def delete_old_deliveries(self, older_than: timedelta, limit: int) -> int:
        """Remove what is old, and all that belongs to deleted webhooks."""
        old = (
            select(WebhookDelivery.id)
            .join(Webhook)
            .where(
                or_(
                    WebhookDelivery.created_at < func.now() - older_than,
                    Webhook.status == WebhookStatus.DELETED,
                )
            )
            .limit(limit)
        )
        result = await self._session.execute(
            delete(WebhookDelivery).where(WebhookDelivery.id.in_(old))
        )
        return int(getattr(result, "rowcount", 0))

    async def remove_deleted(self, older_than: timedelta) -> None:
        """Remove deleted webhooks to which no transaction can still add a delivery."""
        await self._session.execute(
            delete(Webhook).where(
                Webhook.status == WebhookStatus.DELETED,
                Webhook.updated_at < func.now() - older_than,
            )
        )

    async def _one(self, statement: Any) -> Webhook | None:
        statement = statement.execution_options(populate_existing=True)
        found: Webhook | None = (await self._session.scalars(statement)).one_or_none()
        return found

    async def _told(self, statement: Any) -> list[ToldDelivery]:
        statement = (
            statement.join(Webhook, Webhook.id == WebhookDelivery.webhook_id)
            .add_columns(Webhook.user_id)
            .execution_options(populate_existing=True)
        )
        rows = await self._session.execute(statement)
        return [
            ToldDelivery(delivery, committed(event).for_reader(owner_id))
            for delivery, event, owner_id in rows
        ]


def _is_past(column: Any) -> ColumnElement[bool]:
    return or_(column.is_(None), column <= _CLOCK)


_IS_FREE = (
    (Webhook.status == WebhookStatus.ACTIVE)
    & _is_past(Webhook.lease_until)
    & _is_past(Webhook.paused_until)
    # What its owner may no longer see is not sent any more either.
    & select(User.id)
    .where(
        User.id == Webhook.user_id,
        User.is_active,
        or_(User.role == UserRole.ADMIN, ~Webhook.is_for_everybody),
    )
    .exists()
)
_IS_DUE = (WebhookDelivery.status == DeliveryStatus.PENDING) & (
    WebhookDelivery.next_attempt_at <= _CLOCK
)
_DUE = select(Webhook.id).where(
    _IS_FREE,
    select(WebhookDelivery.id).where(WebhookDelivery.webhook_id == Webhook.id, _IS_DUE).exists(),
)


def _own(webhook_id: UUID, user_id: UUID) -> ColumnElement[bool]:
    return (
        (Webhook.id == webhook_id)
        & (Webhook.user_id == user_id)
        & (Webhook.status != WebhookStatus.DELETED)
    )
