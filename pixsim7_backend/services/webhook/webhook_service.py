"""Webhooks as people manage them."""

import builtins
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from pixsim7_backend.domain.user import QuotaExceeded, User
from pixsim7_backend.domain.vocabulary import UserRole
from pixsim7_backend.domain.webhook import (
    DELIVERY_STATUS,
    KNOWN_TYPES,
    MAX_ATTEMPTS,
    MAX_WEBHOOKS,
    WEBHOOK_STATUS,
    DeliveryNotFound,
    DeliveryStatus,
    InvalidWebhook,
    Webhook,
    WebhookDelivery,
    WebhookDisabled,
    WebhookNotFound,
    WebhookStatus,
)
from pixsim7_backend.infrastructure.database.engine import Database, Transaction
from pixsim7_backend.infrastructure.database.repositories.transition import transition
from pixsim7_backend.infrastructure.database.repositories.user import UserRepository
from pixsim7_backend.infrastructure.database.repositories.webhook import (
    ToldDelivery,
    WebhookRepository,
)
from pixsim7_backend.infrastructure.http_policy import AddressPolicy, AddressRefused, Purpose
from pixsim7_backend.infrastructure.security.credentials import CredentialsUnreadable
from pixsim7_backend.services.webhook.webhook_secrets import WebhookSecrets
from pixsim7_backend.shared.errors import FieldProblem, Forbidden
from pixsim7_backend.shared.ids import new_id
from pixsim7_backend.shared.pagination import Page, decode_cursor, page_of

MAX_URL, MAX_DESCRIPTION = 2048, 500
MAX_OVERLAP = timedelta(days=7)
_TEST = "webhook:test"


class WebhookService:
    """Rules of webhooks. A webhook is seen by its owner only."""

    def __init__(self, database: Database, secrets: WebhookSecrets, policy: AddressPolicy) -> None:
        self._db = database
        self._secrets = secrets
        self._policy = policy

    async def create(
        self,
        user: User,
        url: str,
        event_types: Sequence[str] = ("*",),
        *,
        description: str = "",
        is_for_everybody: bool = False,
    ) -> tuple[Webhook, str]:
        """Add an endpoint; returns it with its secret, which is never shown again.

        Raises `InvalidWebhook`, `Forbidden` or `QuotaExceeded`.
        """
        values = {
            "url": url,
            "event_types": event_types,
            "description": description,
            "is_for_everybody": is_for_everybody,
        }
        self._check(user, values)
        webhook = Webhook(id=new_id(), user_id=user.id, **_stored(values))
        secret = self._secrets.renew(webhook, keep_previous=False)
        async with self._db.transaction() as tx:
            # The lock makes two parallel creates count one after the other.
            await UserRepository(tx.session).lock(user.id)
            webhooks = WebhookRepository(tx.session)
            if await webhooks.count_of(user.id) >= MAX_WEBHOOKS:
                raise QuotaExceeded(f"You may have at most {MAX_WEBHOOKS} webhooks.")
            webhook = await webhooks.add(webhook)
            _publish(tx, "webhook:created", webhook)
        return webhook, secret

    async def get(self, webhook_id: UUID, user: User) -> Webhook:
        """Raises `WebhookNotFound`."""
        async with self._db.transaction() as tx:
            return _found(await WebhookRepository(tx.session).find(webhook_id, user.id))

    async def list(self, user: User) -> Sequence[Webhook]:
        """One's own, oldest first."""
        async with self._db.transaction() as tx:
            return await WebhookRepository(tx.session).list_of(user.id)

    async def update(self, webhook_id: UUID, user: User, changes: Mapping[str, Any]) -> Webhook:
        """Change address, filter, description or reach; `is_enabled` switches it off or on.

        What waited while it was off is sent when it is on again.
        """
        self._check(user, changes)
        values = _stored(changes)
        is_enabled = values.pop("is_enabled", None)
        async with self._db.transaction() as tx:
            webhook = await self._locked(tx, webhook_id, user)
            if values:
                webhook = await WebhookRepository(tx.session).update(
                    webhook_id, **values, paused_until=None
                )
            if is_enabled is not None:
                webhook = await self._switch(tx, webhook, is_on=is_enabled)
            _publish(tx, "webhook:updated", webhook, {"changed": sorted(changes)})
            tx.enqueue("send_webhooks", str(webhook_id))
        return webhook

    async def _switch(self, tx: Transaction, webhook: Webhook, *, is_on: bool) -> Webhook:
        target = WebhookStatus.ACTIVE if is_on else WebhookStatus.DISABLED
        values: dict[str, Any] = {
            "status_reason": None if is_on else "Switched off by its owner.",
            "failing_since": None,
            "paused_until": None,
        }
        moved = await transition(tx.session, Webhook, WEBHOOK_STATUS, webhook.id, target, **values)
        return webhook if moved is None else moved  # it was so already

    async def delete(self, webhook_id: UUID, user: User) -> None:
        """Nothing is sent any more; its deliveries go with it."""
        async with self._db.transaction() as tx:
            webhook = await self._locked(tx, webhook_id, user)
            deleted = WebhookStatus.DELETED
            await transition(tx.session, Webhook, WEBHOOK_STATUS, webhook_id, deleted)
            _publish(tx, "webhook:deleted", webhook)

    async def rotate_secret(
        self, webhook_id: UUID, user: User, overlap: timedelta = timedelta(days=1)
    ) -> tuple[Webhook, str]:
        """A new secret, shown this once. Until the overlap has passed, the one before signs too."""
        if not timedelta(0) <= overlap <= MAX_OVERLAP:
            raise InvalidWebhook("The overlap may last from none to seven days.")
        async with self._db.transaction() as tx:
            webhook = await self._locked(tx, webhook_id, user)
            try:
                secret = self._secrets.renew(webhook, keep_previous=overlap > timedelta(0))
            except CredentialsUnreadable:
                # The master key is gone, and with it what there was to keep.
                secret = self._secrets.renew(webhook, keep_previous=False)
            webhook = await WebhookRepository(tx.session).update(
                webhook_id,
                secret_sealed=webhook.secret_sealed,
                secret_version=webhook.secret_version,
                previous_secret_expires_at=datetime.now(UTC) + overlap if overlap else None,
            )
            _publish(tx, "webhook:updated", webhook, {"changed": ["secret"]})
        return webhook, secret

    # --- deliveries ---

    async def list_deliveries(
        self,
        webhook_id: UUID,
        user: User,
        cursor: str | None = None,
        limit: int = 50,
        status: DeliveryStatus | None = None,
    ) -> Page[ToldDelivery]:
        """Newest first. Raises `WebhookNotFound`."""
        async with self._db.transaction() as tx:
            await self.get(webhook_id, user)
            rows = await WebhookRepository(tx.session).list_deliveries(
                webhook_id, decode_cursor(cursor), limit + 1, status
            )
        return page_of(rows, limit, lambda row: row.delivery.id)

    async def replay(self, webhook_id: UUID, delivery_id: UUID, user: User) -> ToldDelivery:
        """Send one again, under the same webhook-id, with all tries anew.

        Raises `WebhookNotFound`, `DeliveryNotFound` or `WebhookDisabled`.
        """
        async with self._db.transaction() as tx:
            await self._ready(tx, webhook_id, user)
            webhooks = WebhookRepository(tx.session)
            told = await self._delivery(webhooks, delivery_id, webhook_id)
            moved = await transition(
                tx.session,
                WebhookDelivery,
                DELIVERY_STATUS,
                delivery_id,
                DeliveryStatus.PENDING,
                attempt_limit=told.delivery.attempt_count + MAX_ATTEMPTS,
                next_attempt_at=datetime.now(UTC),
                finished_at=None,
            )
            if moved is None:  # it waits for its next try: let that be now
                await webhooks.postpone(told.delivery, 0)
            tx.enqueue("send_webhooks", str(webhook_id))
            return await self._delivery(webhooks, delivery_id, webhook_id)

    async def test(self, webhook_id: UUID, user: User) -> ToldDelivery:
        """Send it an event of the type `webhook:test`, whatever its filter; returns the delivery.

        Raises `WebhookNotFound` or `WebhookDisabled`.
        """
        async with self._db.transaction() as tx:
            webhook = await self._ready(tx, webhook_id, user)
            _publish(tx, _TEST, webhook)
        async with self._db.transaction() as tx:
            told = await WebhookRepository(tx.session).latest_delivery(webhook_id, _TEST)
        if told is None:
            raise WebhookNotFound("There is no such webhook.")
        return told

    async def _ready(self, tx: Transaction, webhook_id: UUID, user: User) -> Webhook:
        """The webhook, ready to be sent to at once."""
        webhook = await self._locked(tx, webhook_id, user)
        if webhook.status is not WebhookStatus.ACTIVE:
            raise WebhookDisabled("Switch the webhook on first.")
        return await WebhookRepository(tx.session).update(webhook_id, paused_until=None)

    async def _delivery(
        self, webhooks: WebhookRepository, delivery_id: UUID, webhook_id: UUID
    ) -> ToldDelivery:
        told = await webhooks.find_delivery(delivery_id, webhook_id)
        if told is None:
            raise DeliveryNotFound("There is no such delivery.")
        return told

    async def _locked(self, tx: Transaction, webhook_id: UUID, user: User) -> Webhook:
        return _found(await WebhookRepository(tx.session).lock(webhook_id, user.id))

    def _check(self, user: User, values: Mapping[str, Any]) -> None:
        problems: builtins.list[FieldProblem] = []
        if "url" in values:
            problems += self._url_problems(values["url"])
        if "event_types" in values:
            problems += _type_problems(values["event_types"])
        if len(values.get("description", "")) > MAX_DESCRIPTION:
            allowed = f"at most {MAX_DESCRIPTION} characters"
            problems.append(FieldProblem("description", f"must have {allowed}", allowed))
        if problems:
            names = ", ".join(dict.fromkeys(problem.field for problem in problems))
            raise InvalidWebhook(f"These fields are not valid: {names}.", fields=problems)
        if values.get("is_for_everybody") and user.role is not UserRole.ADMIN:
            raise Forbidden("Only an administrator may be told of everybody's events.")

    def _url_problems(self, url: str) -> Sequence[FieldProblem]:
        """Where the name leads to is looked up, and checked again, at each delivery."""
        allowed = f"an https URL of a public host, at most {MAX_URL} characters"
        if len(url) > MAX_URL:
            return [FieldProblem("url", "is too long", allowed)]
        try:
            self._policy.check(url, Purpose.WEBHOOK)
        except AddressRefused as error:
            return [FieldProblem("url", str(error), allowed)]
        return []


def _type_problems(types: Sequence[str]) -> Sequence[FieldProblem]:
    if not types:
        return [FieldProblem("event_types", "must name at least one type", KNOWN_TYPES)]
    return [
        FieldProblem(f"event_types.{number}", "is not an event type", KNOWN_TYPES)
        for number, type in enumerate(types)
        if type not in KNOWN_TYPES
    ]


def _stored(values: Mapping[str, Any]) -> dict[str, Any]:
    stored = dict(values)
    if "event_types" in stored:
        stored["event_types"] = list(dict.fromkeys(stored["event_types"]))
    return stored


def _found(webhook: Webhook | None) -> Webhook:
    if webhook is None:
        raise WebhookNotFound("There is no such webhook.")
    return webhook


def _publish(
    tx: Transaction, type: str, webhook: Webhook, data: Mapping[str, Any] | None = None
) -> None:
    # Without the address: it may hold a token.
    tx.publish(type, user_id=webhook.user_id, data={"id": str(webhook.id), **(data or {})})
