"""Webhooks as people manage them."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from pixsim7_backend.domain.user import QuotaExceeded
from pixsim7_backend.domain.webhook import (
    KNOWN_TYPES,
    MAX_ATTEMPTS,
    MAX_WEBHOOKS,
    DeliveryNotFound,
    DeliveryStatus,
    InvalidWebhook,
    WebhookDisabled,
    WebhookNotFound,
)
from pixsim7_backend.shared.errors import Forbidden
from tests.services.webhook.conftest import Lab


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/hook",
        "https://example.com:8443/hook",
        "https://127.0.0.1/hook",
        "https://10.1.2.3/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://169.254.169.254/latest/meta-data",
        "https://0x7f000001/",
        "https://user:password@example.com/",
        "http://127.0.0.1:1/hook",
        "ftp://example.com/",
        "https://example.com\\@127.0.0.1/",
        "not a url",
        "",
        "https://example.com/" + "x" * 3000,
    ],
)
async def test_addresses_that_are_refused(lab: Lab, url: str) -> None:
    ada = await lab.make.user()
    webhook, _ = await lab.webhook(ada)
    with pytest.raises(InvalidWebhook) as refused:
        await lab.services.webhooks.create(ada, url)
    assert [problem.field for problem in refused.value.fields] == ["url"]
    assert refused.value.fields[0].allowed is not None
    with pytest.raises(InvalidWebhook):
        await lab.services.webhooks.update(webhook.id, ada, {"url": url})


async def test_types_that_do_not_exist_are_refused(lab: Lab) -> None:
    ada = await lab.make.user()
    with pytest.raises(InvalidWebhook) as refused:
        await lab.webhook(ada, "job:created", "job:exploded")
    [problem] = refused.value.fields
    assert (problem.field, problem.allowed) == ("event_types.1", KNOWN_TYPES)
    with pytest.raises(InvalidWebhook):
        await lab.services.webhooks.create(ada, lab.receiver.url(), [])


async def test_everybodys_events_are_for_administrators(lab: Lab) -> None:
    ada = await lab.make.user()
    webhook, _ = await lab.webhook(ada)
    with pytest.raises(Forbidden):
        await lab.webhook(ada, is_for_everybody=True)
    with pytest.raises(Forbidden):
        await lab.services.webhooks.update(webhook.id, ada, {"is_for_everybody": True})


async def test_the_number_is_limited_even_in_parallel(lab: Lab) -> None:
    ada = await lab.make.user()
    made = await asyncio.gather(
        *(lab.webhook(ada) for _ in range(MAX_WEBHOOKS + 5)), return_exceptions=True
    )
    refused = [result for result in made if isinstance(result, BaseException)]
    assert len(refused) == 5
    assert all(isinstance(error, QuotaExceeded) for error in refused)
    [one, *_] = await lab.services.webhooks.list(ada)
    await lab.services.webhooks.delete(one.id, ada)
    await lab.webhook(ada)


async def test_a_replay_sends_the_same_again(lab: Lab) -> None:
    ada = await lab.make.user()
    webhook, _ = await lab.webhook(ada)
    lab.receiver.says("/hook", 500)
    await lab.publish(ada)
    for _ in range(MAX_ATTEMPTS):
        await lab.send(webhook)
    [told] = await lab.deliveries(webhook, ada)
    assert told.delivery.status is DeliveryStatus.FAILED
    lab.receiver.says("/hook", 200)

    replayed = await lab.services.webhooks.replay(webhook.id, told.delivery.id, ada)
    assert replayed.delivery.status is DeliveryStatus.PENDING
    assert replayed.delivery.finished_at is None
    await lab.services.webhook_sender.send(webhook.id)  # a replay does not wait for a pause

    [told] = await lab.deliveries(webhook, ada)
    assert told.delivery.status is DeliveryStatus.DELIVERED
    assert told.delivery.attempt_count == MAX_ATTEMPTS + 1
    assert told.delivery.attempt_limit == 2 * MAX_ATTEMPTS
    assert len({request.id for request in lab.receiver.requests}) == 1
    await lab.services.webhooks.replay(webhook.id, told.delivery.id, ada)  # a delivered one too
    await lab.services.webhook_sender.send(webhook.id)
    assert len(lab.receiver.requests) == MAX_ATTEMPTS + 2


async def test_a_replay_of_what_waits_is_now(lab: Lab) -> None:
    ada = await lab.make.user()
    webhook, _ = await lab.webhook(ada)
    lab.receiver.says("/hook", 500)
    await lab.publish(ada)
    await lab.send(webhook)
    [told] = await lab.deliveries(webhook, ada)
    await lab.services.webhooks.replay(webhook.id, told.delivery.id, ada)
    await lab.services.webhook_sender.send(webhook.id)
    assert len(lab.receiver.requests) == 2


async def test_a_test_goes_to_this_webhook_only_whatever_its_filter(lab: Lab) -> None:
    ada = await lab.make.user()
    webhook, _ = await lab.webhook(ada, "job:failed")
    await lab.webhook(ada, "*", path="/other")
    await lab.sql("DELETE FROM webhook_deliveries")
    told = await lab.services.webhooks.test(webhook.id, ada)
    assert told.delivery.webhook_id == webhook.id
    await lab.services.webhook_sender.send(webhook.id)
    [request] = lab.receiver.requests
    assert request.path == "/hook"
    assert request.id == str(told.delivery.id)
    assert request.message["type"] == "webhook:test"
    assert len(await lab.sql("SELECT 1 FROM webhook_deliveries")) == 1


async def test_what_is_switched_off_is_neither_tested_nor_replayed(lab: Lab) -> None:
    ada = await lab.make.user()
    webhook, _ = await lab.webhook(ada)
    await lab.publish(ada)
    [told] = await lab.deliveries(webhook, ada)
    for _ in range(2):
        off = await lab.services.webhooks.update(webhook.id, ada, {"is_enabled": False})
    assert off.status_reason == "Switched off by its owner."
    with pytest.raises(WebhookDisabled):
        await lab.services.webhooks.test(webhook.id, ada)
    with pytest.raises(WebhookDisabled):
        await lab.services.webhooks.replay(webhook.id, told.delivery.id, ada)


async def test_another_persons_is_as_unknown_as_none(lab: Lab) -> None:
    ada, bob, admin = [await lab.make.user(role) for role in ("user", "user", "admin")]
    webhook, _ = await lab.webhook(ada)
    mine, _ = await lab.webhook(bob)
    await lab.publish(ada)
    [told] = await lab.deliveries(webhook, ada)
    service = lab.services.webhooks
    for stranger in (bob, admin):
        for call in (
            service.get(webhook.id, stranger),
            service.update(webhook.id, stranger, {"description": "mine"}),
            service.delete(webhook.id, stranger),
            service.rotate_secret(webhook.id, stranger),
            service.test(webhook.id, stranger),
            service.list_deliveries(webhook.id, stranger),
            service.replay(webhook.id, told.delivery.id, stranger),
        ):
            with pytest.raises(WebhookNotFound):
                await call
    for delivery in (told.delivery.id, uuid4()):  # a foreign delivery under one's own webhook
        with pytest.raises(DeliveryNotFound):
            await service.replay(mine.id, delivery, bob)


async def test_old_deliveries_and_deleted_webhooks_are_removed(lab: Lab) -> None:
    ada = await lab.make.user()
    kept, _ = await lab.webhook(ada)
    gone, _ = await lab.webhook(ada)
    await lab.publish(ada)
    await lab.publish(ada)
    await lab.sql(
        "UPDATE webhook_deliveries SET created_at = now() - interval '8 days'"
        " WHERE id = (SELECT min(id::text)::uuid FROM webhook_deliveries WHERE webhook_id = :id)",
        id=kept.id,
    )
    await lab.services.webhooks.delete(gone.id, ada)
    await lab.services.upkeep.every_hour()
    assert len(await lab.deliveries(kept, ada)) == 1
    assert len(await lab.sql("SELECT 1 FROM webhook_deliveries")) == 1
    assert len(await lab.sql("SELECT 1 FROM webhooks")) == 2  # the deleted one for an hour yet
    await lab.sql("ALTER TABLE webhooks DISABLE TRIGGER px7_touch")
    await lab.sql("UPDATE webhooks SET updated_at = now() - interval '2 hours'")
    await lab.sql("ALTER TABLE webhooks ENABLE TRIGGER px7_touch")
    await lab.services.upkeep.every_hour()
    assert [row[0] for row in await lab.sql("SELECT id FROM webhooks")] == [kept.id]


async def test_an_overlap_has_bounds(lab: Lab) -> None:
    ada = await lab.make.user()
    webhook, _ = await lab.webhook(ada)
    with pytest.raises(InvalidWebhook):
        await lab.services.webhooks.rotate_secret(webhook.id, ada, timedelta(days=8))
