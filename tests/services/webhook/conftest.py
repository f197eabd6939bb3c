"""Webhooks whose receivers are on this machine, which the operator allows; no worker runs here."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import text

from pixsim7_backend.bootstrap.container import Container
from pixsim7_backend.bootstrap.services import Services
from pixsim7_backend.domain import User, Webhook
from pixsim7_backend.infrastructure.database.repositories.webhook import ToldDelivery
from pixsim7_backend.shared.config import Settings
from tests.conftest import Factory
from tests.receiver import Receiver, running_receiver


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as running:
        yield running


@pytest.fixture
def settings(settings: Settings, receiver: Receiver) -> Settings:
    return settings.model_copy(update={"allow_private_webhooks": frozenset({receiver.origin})})


@dataclass
class Lab:
    """One installation, people, and the server that hears from it."""

    container: Container
    services: Services
    receiver: Receiver
    make: Factory

    async def sql(self, statement: str, **values: Any) -> Sequence[Any]:
        async with self.container.database.transaction() as tx:
            result = await tx.session.execute(text(statement), values)
            return result.all() if result.returns_rows else []  # type: ignore[attr-defined]

    async def webhook(
        self, user: User, *types: str, path: str = "/hook", **values: Any
    ) -> tuple[Webhook, str]:
        return await self.services.webhooks.create(
            user, self.receiver.url(path), types or ["job:created"], **values
        )

    async def publish(self, user: User | None, type: str = "job:created", **ids: Any) -> None:
        async with self.container.database.transaction() as tx:
            tx.publish(type, user_id=None if user is None else user.id, **ids)

    async def deliveries(self, webhook: Webhook, user: User) -> Sequence[ToldDelivery]:
        return (await self.services.webhooks.list_deliveries(webhook.id, user, limit=200)).items

    async def send(self, webhook: Webhook) -> None:
        """A turn, now: whatever it waits for is over."""
        await self.sql("UPDATE webhooks SET paused_until = NULL")
        await self.sql("UPDATE webhook_deliveries SET next_attempt_at = now()")
        await self.services.webhook_sender.send(webhook.id)

    async def again(self, webhook: Webhook, user: User) -> Webhook:
        return await self.services.webhooks.get(webhook.id, user)


@pytest.fixture
def lab(container: Container, receiver: Receiver, make: Factory) -> Lab:
    return Lab(container, container.services, receiver, make)
