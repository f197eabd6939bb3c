"""Webhooks: events, sent to where a person wants them."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from pixsim7_backend.api.dependencies import CurrentUser, Manager, WebhookSvc
from pixsim7_backend.api.errors import problems
from pixsim7_backend.api.schemas.webhook import (
    DeliveryPage,
    DeliveryQuery,
    DeliveryRead,
    SecretRotation,
    WebhookCreate,
    WebhookList,
    WebhookRead,
    WebhookSecret,
    WebhookUpdate,
)
from pixsim7_backend.domain.user import QuotaExceeded
from pixsim7_backend.domain.webhook import (
    DeliveryNotFound,
    InvalidWebhook,
    WebhookDisabled,
    WebhookNotFound,
)
from pixsim7_backend.shared.errors import Forbidden

router = APIRouter(prefix="/webhooks", tags=["webhooks"])


@router.get("", name="list")
async def list_webhooks(user: CurrentUser, webhooks: WebhookSvc) -> WebhookList:
    """Yours, oldest first."""
    rows = await webhooks.list(user)
    return WebhookList(items=[WebhookRead.model_validate(row) for row in rows])


@router.post(
    "",
    name="create",
    status_code=201,
    responses=problems(InvalidWebhook, QuotaExceeded, Forbidden),
)
async def create_webhook(body: WebhookCreate, user: Manager, webhooks: WebhookSvc) -> WebhookSecret:
    """Add an endpoint. The answer holds its secret, which is never shown again."""
    webhook, secret = await webhooks.create(
        user,
        body.url,
        body.event_types,
        description=body.description,
        is_for_everybody=body.is_for_everybody,
    )
    return WebhookSecret.of(webhook, secret)


@router.get("/{webhook_id}", name="get", responses=problems(WebhookNotFound))
async def get_webhook(webhook_id: UUID, user: CurrentUser, webhooks: WebhookSvc) -> WebhookRead:
    return WebhookRead.model_validate(await webhooks.get(webhook_id, user))


@router.patch(
    "/{webhook_id}",
    name="update",
    responses=problems(WebhookNotFound, InvalidWebhook, Forbidden),
)
async def update_webhook(
    webhook_id: UUID, body: WebhookUpdate, user: Manager, webhooks: WebhookSvc
) -> WebhookRead:
    """Address, filter, description, and on or off. What waited while it was off is sent then."""
    changes = body.model_dump(exclude_unset=True)
    return WebhookRead.model_validate(await webhooks.update(webhook_id, user, changes))


@router.delete("/{webhook_id}", name="delete", status_code=204, responses=problems(WebhookNotFound))
async def delete_webhook(webhook_id: UUID, user: Manager, webhooks: WebhookSvc) -> None:
    """Nothing is sent any more; its deliveries go with it."""
    await webhooks.delete(webhook_id, user)


@router.post(
    "/{webhook_id}/secret",
    name="rotate_secret",
    responses=problems(WebhookNotFound, InvalidWebhook),
)
async def rotate_secret(
    webhook_id: UUID, body: SecretRotation, user: Manager, webhooks: WebhookSvc
) -> WebhookSecret:
    """A new secret. While both are in force, every request carries a signature of each."""
    overlap = timedelta(hours=body.overlap_hours)
    return WebhookSecret.of(*await webhooks.rotate_secret(webhook_id, user, overlap))


@router.post(
    "/{webhook_id}/test",
    name="test",
    status_code=202,
    responses=problems(WebhookNotFound, WebhookDisabled),
)
async def test_webhook(webhook_id: UUID, user: Manager, webhooks: WebhookSvc) -> DeliveryRead:
    """Send an event of the type `webhook:test`, whatever the filter."""
    return DeliveryRead.of(await webhooks.test(webhook_id, user))


@router.get("/{webhook_id}/deliveries", name="deliveries", responses=problems(WebhookNotFound))
async def list_deliveries(
    webhook_id: UUID,
    query: Annotated[DeliveryQuery, Query()],
    user: CurrentUser,
    webhooks: WebhookSvc,
) -> DeliveryPage:
    """What was sent and what came back, newest first; kept for seven days."""
    found = await webhooks.list_deliveries(
        webhook_id, user, query.cursor, query.limit, query.status
    )
    items = [DeliveryRead.of(told) for told in found.items]
    return DeliveryPage(items=items, next_cursor=found.next_cursor)


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/replay",
    name="replay",
    status_code=202,
    responses=problems(WebhookNotFound, DeliveryNotFound, WebhookDisabled),
)
async def replay_delivery(
    webhook_id: UUID, delivery_id: UUID, user: Manager, webhooks: WebhookSvc
) -> DeliveryRead:
    """Send one again at once, under the same webhook-id."""
    return DeliveryRead.of(await webhooks.replay(webhook_id, delivery_id, user))
