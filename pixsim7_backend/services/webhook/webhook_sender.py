"""Sending: one turn of one endpoint at a time, in every worker, so that none delays another."""

import asyncio
import json
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from pixsim7_backend.domain.event import CommittedEvent
from pixsim7_backend.domain.provider import HttpNotSent, HttpUncertain
from pixsim7_backend.domain.webhook import (
    DELIVERY_STATUS,
    DISABLED_AFTER,
    MAX_ATTEMPTS,
    MAX_RESPONSE_BYTES,
    RETRY_DELAYS_S,
    WEBHOOK_STATUS,
    DeliveryStatus,
    Webhook,
    WebhookDelivery,
    WebhookStatus,
)
from pixsim7_backend.infrastructure.database.engine import Database, Transaction
from pixsim7_backend.infrastructure.database.repositories.transition import transition
from pixsim7_backend.infrastructure.database.repositories.webhook import (
    ToldDelivery,
    WebhookRepository,
)
from pixsim7_backend.infrastructure.http import HttpGateway
from pixsim7_backend.infrastructure.security.credentials import CredentialsUnreadable
from pixsim7_backend.services.webhook.webhook_secrets import WebhookSecrets, signed_headers
from pixsim7_backend.shared.fail_points import fail_point

TIMEOUT_S = 10.0
BATCH = 5
"""Deliveries of a turn; those of one job go one after the other, so a turn ends within a lease."""
MAX_TURNS = 10
"""Endpoints that one worker sends to at once: dead ones must not use up its other tasks' room."""
FULL_RETRY_S = 1.0
MIN_PAUSE_S, MAX_PAUSE_S = 1.0, 600.0
DELIVERIES_KEPT = timedelta(days=7)
DELETED_KEPT = timedelta(hours=1)
"""Longer than any transaction that may still add a delivery."""
GONE = 410


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one try ended."""

    error: str | None
    status: int | None
    body: str | None
    duration_ms: int

    @property
    def is_success(self) -> bool:
        return self.error is None


class WebhookSender:
    """Runs as tasks and in the sweeps; safe to run twice or late.

    At least once: a worker that dies after sending and before writing it down sends again.
    """

    def __init__(
        self, database: Database, secrets: WebhookSecrets, gateway: HttpGateway, lease: timedelta
    ) -> None:
        self._db = database
        self._secrets = secrets
        self._gateway = gateway
        self._lease = lease
        self._turns = 0

    async def send(self, webhook_id: UUID) -> None:
        """One turn of the endpoint: its next due deliveries. What else is due gets another task.

        Does nothing while another worker is at it, which will see what is due, or while it is
        paused. Later tries and ends of pauses are found by the sweeps.
        """
        if self._turns >= MAX_TURNS:
            async with self._db.transaction() as tx:
                tx.enqueue("send_webhooks", str(webhook_id), delay_s=FULL_RETRY_S)
            return
        self._turns += 1
        try:
            await self._take_turn(webhook_id)
        finally:
            self._turns -= 1

    async def _take_turn(self, webhook_id: UUID) -> None:
        async with self._db.transaction() as tx:
            webhooks = WebhookRepository(tx.session)
            webhook = await webhooks.claim(webhook_id, self._lease)
            if webhook is None:
                return
            told = await webhooks.begin_attempts(webhook_id, BATCH, self._lease)
            if not told:
                await webhooks.update(webhook_id, lease_until=None)
                return
        await fail_point("outbox.after_take")
        outcomes = await self._send_all(webhook, told)
        await fail_point("outbox.after_send")
        async with self._db.transaction() as tx:
            await self._settle(tx, webhook, outcomes)

    async def _send_all(
        self, webhook: Webhook, told: Sequence[ToldDelivery]
    ) -> list[tuple[WebhookDelivery, Outcome]]:
        """Side by side, but those of one job in their order."""
        groups: dict[UUID, list[ToldDelivery]] = defaultdict(list)
        for item in told:
            groups[item.event.job_id or item.delivery.id].append(item)

        async def in_order(items: list[ToldDelivery]) -> list[tuple[WebhookDelivery, Outcome]]:
            return [(item.delivery, await self._post(webhook, item)) for item in items]

        ended = await asyncio.gather(*map(in_order, groups.values()))
        return [pair for group in ended for pair in group]

    async def _post(self, webhook: Webhook, told: ToldDelivery) -> Outcome:
        body = body_of(told.event)
        now = datetime.now(UTC)
        started = time.monotonic()
        status = text = None
        try:
            headers = signed_headers(
                self._secrets.in_force(webhook, now), str(told.delivery.id), now, body
            )
            answer = await self._gateway.post_webhook(
                webhook.url, body, headers=headers, timeout_s=TIMEOUT_S, keep=MAX_RESPONSE_BYTES
            )
        except CredentialsUnreadable:
            error: str | None = "The secret cannot be opened any more; rotate it."
        except HttpNotSent as refusal:
            error = f"It could not be reached: {refusal}."
        except HttpUncertain as refusal:
            error = f"It gave no answer in time: {refusal}."
        else:
            status = answer.status
            text = answer.body.decode(errors="replace").replace("\x00", "�")
            error = None if 200 <= status < 300 else f"It answered {status}; only 2xx counts."
        return Outcome(error, status, text, round((time.monotonic() - started) * 1000))

    # --- writing it down ---

    async def _settle(
        self,
        tx: Transaction,
        claimed: Webhook,
        outcomes: Sequence[tuple[WebhookDelivery, Outcome]],
    ) -> None:
        webhooks = WebhookRepository(tx.session)
        webhook = await webhooks.lock(claimed.id)
        if webhook is None:
            return
        for delivery, outcome in outcomes:
            await self._settle_delivery(tx, delivery, outcome)
        if webhook.lease_until != claimed.lease_until:
            return  # it lapsed: the endpoint is another worker's now
        await self._settle_webhook(tx, webhook, [outcome for _, outcome in outcomes])
        # After the lease is given back: whatever commits from now on finds the endpoint free.
        if await webhooks.is_due(webhook.id):
            tx.enqueue("send_webhooks", str(webhook.id))

    async def _settle_delivery(
        self, tx: Transaction, delivery: WebhookDelivery, outcome: Outcome
    ) -> None:
        seen: dict[str, Any] = {
            "error": outcome.error,
            "response_status": outcome.status,
            "response_body": outcome.body,
            "duration_ms": outcome.duration_ms,
        }
        delay_s = retry_delay_s(delivery)
        if not outcome.is_success and outcome.status != GONE and delay_s is not None:
            await WebhookRepository(tx.session).postpone(delivery, delay_s, **seen)
            return
        await transition(
            tx.session,
            WebhookDelivery,
            DELIVERY_STATUS,
            delivery.id,
            DeliveryStatus.DELIVERED if outcome.is_success else DeliveryStatus.FAILED,
            where=[WebhookDelivery.attempt_count == delivery.attempt_count],
            finished_at=datetime.now(UTC),
            **seen,
        )

    async def _settle_webhook(
        self, tx: Transaction, webhook: Webhook, outcomes: Sequence[Outcome]
    ) -> None:
        """Give the lease back and learn; one that takes nothing is left alone ever longer."""
        webhooks = WebhookRepository(tx.session)
        now = datetime.now(UTC)
        if any(outcome.is_success for outcome in outcomes):
            await webhooks.update(
                webhook.id, lease_until=None, failing_since=None, last_delivered_at=now
            )
            return
        since = webhook.failing_since or now
        pause_s = min(max((now - since).total_seconds() / 2, MIN_PAUSE_S), MAX_PAUSE_S)
        paused_until = now + timedelta(seconds=pause_s)
        await webhooks.update(
            webhook.id, lease_until=None, failing_since=since, paused_until=paused_until
        )
        if any(outcome.status == GONE for outcome in outcomes):
            await self._disable(tx, webhook, "Its receiver answered 410 Gone.")
        elif now - since >= DISABLED_AFTER:
            reason = f"For {DISABLED_AFTER.days} days every try failed. {outcomes[-1].error}"
            await self._disable(tx, webhook, reason)

    async def _disable(self, tx: Transaction, webhook: Webhook, reason: str) -> None:
        disabled = WebhookStatus.DISABLED
        moved = await transition(
            tx.session, Webhook, WEBHOOK_STATUS, webhook.id, disabled, status_reason=reason
        )
        if moved is not None:
            data = {"id": str(webhook.id), "reason": reason}
            tx.publish("webhook:disabled", user_id=webhook.user_id, data=data)

    # --- by the clock ---

    async def sweep(self) -> None:
        """Wake what is due and has no task: its worker died, or its wake-up was lost."""
        async with self._db.transaction() as tx:
            for webhook_id in await WebhookRepository(tx.session).list_due(limit=100):
                key = f"webhook:{webhook_id}"
                tx.enqueue("send_webhooks", str(webhook_id), dedupe_key=key)

    async def clean(self) -> None:
        """Remove old deliveries, and deleted webhooks with all of theirs."""
        removed = 1
        while removed:
            async with self._db.transaction() as tx:
                removed = await WebhookRepository(tx.session).delete_old_deliveries(
                    DELIVERIES_KEPT, 5000
                )
        async with self._db.transaction() as tx:
            await WebhookRepository(tx.session).remove_deleted(DELETED_KEPT)


def body_of(event: CommittedEvent) -> bytes:
    """`{type, timestamp, data}`, where `data` is the event as the stream shows it."""
    public = event.public()
    message = {"type": event.type, "timestamp": public["created_at"], "data": public}
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def retry_delay_s(delivery: WebhookDelivery) -> float | None:
    """After how long a failed try is followed by another; None after the last."""
    left = delivery.attempt_limit - delivery.attempt_count
    if left <= 0:
        return None
    tried = min(max(MAX_ATTEMPTS - left, 1), len(RETRY_DELAYS_S))
    return RETRY_DELAYS_S[tried - 1] * random.uniform(0.9, 1.0)  # noqa: S311
