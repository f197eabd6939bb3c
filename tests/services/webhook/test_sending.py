"""What goes over the wire, and what is made of the answer."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from standardwebhooks import WebhookVerificationError

from pixsim7_backend.domain.webhook import (
    MAX_ATTEMPTS,
    RETRY_DELAYS_S,
    DeliveryStatus,
    WebhookDelivery,
    WebhookStatus,
)
from pixsim7_backend.services.webhook import webhook_sender
from pixsim7_backend.services.webhook.webhook_sender import retry_delay_s
from tests.services.webhook.conftest import Lab

PENDING, DELIVERED, FAILED = DeliveryStatus


async def test_what_is_sent_is_signed_and_is_the_event_of_the_stream(lab: Lab) -> None:
    ada = await lab.make.user()
    webhook, secret = await lab.webhook(ada)
    job_id = uuid4()
    await lab.publish(ada, job_id=job_id, data={"prompt": "Füchse im Schnee"})

    await lab.services.webhook_sender.send(webhook.id)

    [request] = lab.receiver.requests
    message = request.verified_by(secret)
    [told] = await lab.deliveries(webhook, ada)
    assert message["type"] == "job:created"
    assert message["data"] == told.event.public()
    assert message["data"]["data"] == {"prompt": "Füchse im Schnee"}
    assert message["data"]["job_id"] == str(job_id)
    assert message["timestamp"] == message["data"]["created_at"]
    assert request.headers["Content-Type"] == "application/json"
    assert request.id == str(told.delivery.id)
    assert told.delivery.status is DELIVERED
    assert (told.delivery.attempt_count, told.delivery.response_status) == (1, 204)
    assert (await lab.again(webhook, ada)).last_delivered_at is not None


@pytest.mark.parametrize("status", [302, 304, 400, 404, 429, 500, 503])
async def test_only_2xx_is_success_and_no_redirect_is_followed(lab: Lab, status: int) -> None:
    ada = await lab.make.user()
    webhook, _ = await lab.webhook(ada)
    headers = {"Location": lab.receiver.url("/elsewhere")} if status == 302 else {}
    lab.receiver.says("/hook", status, **headers)
    await lab.publish(ada)
    await lab.services.webhook_sender.send(webhook.id)
    [told] = await lab.deliveries(webhook, ada)
    assert told.delivery.status is PENDING
    assert told.delivery.response_status == status
    assert told.delivery.error == f"It answered {status}; only 2xx counts."
    assert lab.receiver.at("/elsewhere") == []


def test_eight_tries_within_a_day() -> None:
    assert MAX_ATTEMPTS == 8
    assert timedelta(hours=20) < timedelta(seconds=sum(RETRY_DELAYS_S)) < timedelta(hours=24)
    for tried, wanted in enumerate(RETRY_DELAYS_S, 1):
        delivery = WebhookDelivery(attempt_count=tried, attempt_limit=MAX_ATTEMPTS)
        found = {retry_delay_s(delivery) for _ in range(50)}
        assert len(found) > 1, "no jitter"
        assert all(delay is not None and 0.9 * wanted <= delay <= wanted for delay in found)
    assert retry_delay_s(WebhookDelivery(attempt_count=8, attempt_limit=8)) is None


async def test_eight_failed_tries_are_the_end_and_have_one_id(lab: Lab) -> None:
    ada = await lab.make.user()
    webhook, secret = await lab.webhook(ada)
    lab.receiver.says("/hook", 500, "broken")
    await lab.publish(ada)
    for tried in range(1, MAX_ATTEMPTS + 1):
        [told] = await lab.deliveries(webhook, ada)
        assert told.delivery.status is PENDING
        await lab.send(webhook)
        [told] = await lab.deliveries(webhook, ada)
        assert told.delivery.attempt_count == tried
        if tried < MAX_ATTEMPTS:
            wait = (told.delivery.next_attempt_at - datetime.now(UTC)).total_seconds()
            assert wait == pytest.approx(RETRY_DELAYS_S[tried - 1] * 0.95, rel=0.1, abs=1)
    assert told.delivery.status is FAILED
    assert told.delivery.finished_at is not None
    await lab.send(webhook)
    assert len(lab.receiver.requests) == MAX_ATTEMPTS
    assert {request.id for request in lab.receiver.requests} == {str(told.delivery.id)}
    assert all(request.verified_by(secret) for request in lab.receiver.requests)


async def test_410_switches_it_off(lab: Lab) -> None:
    ada = await lab.make.user()
    webhook, _ = await lab.webhook(ada)
    other, _ = await lab.webhook(ada, "webhook:disabled", path="/other")
    lab.receiver.says("/hook", 410)
    await lab.publish(ada)
    await lab.services.webhook_sender.send(webhook.id)
    webhook = await lab.again(webhook, ada)
    assert webhook.status is WebhookStatus.DISABLED
    assert webhook.status_reason == "Its receiver answered 410 Gone."
    [told] = await lab.deliveries(webhook, ada)
    assert told.delivery.status is FAILED
    await lab.services.webhook_sender.send(other.id)
    [request] = lab.receiver.at("/other")
    assert request.message["data"]["data"] == {
        "id": str(webhook.id),
        "reason": webhook.status_reason,
    }


@pytest.mark.parametrize(("days", "is_off"), [(4.9, False), (5.1, True)])
async def test_five_days_of_failures_switch_it_off(lab: Lab, days: float, is_off: bool) -> None:
    ada = await lab.make.user()
    webhook, _ = await lab.webhook(ada)
    lab.receiver.says("/hook", 503)
    await lab.publish(ada)
    await lab.send(webhook)
    since = datetime.now(UTC) - timedelta(days=days)
    assert (await lab.again(webhook, ada)).failing_since is not None
    await lab.sql("UPDATE webhooks SET failing_since = :since", since=since)
    await lab.send(webhook)
    webhook = await lab.again(webhook, ada)
    assert (webhook.status is WebhookStatus.DISABLED) == is_off
    if is_off:
        wanted = "For 5 days every try failed. It answered 503; only 2xx counts."
        assert webhook.status_reason == wanted
        # Its owner switches it on again: what waited is sent.
        lab.receiver.says("/hook", 200)
        webhook = await lab.services.webhooks.update(webhook.id, ada, {"is_enabled": True})
        assert (webhook.status_reason, webhook.failing_since) == (None, None)
        await lab.send(webhook)
        [told] = await lab.deliveries(webhook, ada)
        assert told.delivery.status is DELIVERED


async def test_a_success_ends_the_row_of_failures(lab: Lab) -> None:
    ada = await lab.make.user()
    webhook, _ = await lab.webhook(ada)
    lab.receiver.says("/hook", 500)
    await lab.publish(ada)
    await lab.send(webhook)
    failing = await lab.again(webhook, ada)
    assert failing.failing_since is not None
    assert failing.paused_until is not None
    await lab.publish(ada)
    before = len(lab.receiver.requests)
    await lab.services.webhook_sender.send(webhook.id)  # paused: nothing goes out
    assert len(lab.receiver.requests) == before
    lab.receiver.says("/hook", 200)
    await lab.send(webhook)
    assert (await lab.again(webhook, ada)).failing_since is None


async def test_a_silent_endpoint_delays_no_other_and_fails_in_time(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await lab.make.user()
    silent, _ = await lab.webhook(ada, path="/silent")
    good, _ = await lab.webhook(ada, path="/good")
    lab.receiver.silent.add("/silent")
    await lab.publish(ada)
    assert webhook_sender.TIMEOUT_S == 10
    monkeypatch.setattr(webhook_sender, "TIMEOUT_S", 1.0)
    turn = asyncio.create_task(lab.services.webhook_sender.send(silent.id))
    await lab.receiver.wait_for(lambda: bool(lab.receiver.at("/silent")))
    await lab.services.webhook_sender.send(good.id)
    assert len(lab.receiver.at("/good")) == 1
    assert not turn.done()
    await turn
    [told] = await lab.deliveries(silent, ada)
    assert told.delivery.status is PENDING
    assert told.delivery.error == "It gave no answer in time: TimeoutError."


async def test_one_worker_has_room_for_other_tasks(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await lab.make.user()
    webhook, _ = await lab.webhook(ada)
    await lab.publish(ada)
    await lab.sql("DELETE FROM pgqueuer")
    monkeypatch.setattr(webhook_sender, "MAX_TURNS", 0)
    await lab.services.webhook_sender.send(webhook.id)
    assert lab.receiver.requests == []
    [row] = await lab.sql("SELECT entrypoint, execute_after > now() FROM pgqueuer")
    assert tuple(row) == ("send_webhooks", True)


async def test_events_of_one_job_arrive_in_their_order(lab: Lab) -> None:
    ada = await lab.make.user()
    webhook, _ = await lab.webhook(ada, "*")
    await lab.sql("DELETE FROM webhook_deliveries")
    jobs = [uuid4() for _ in range(3)]
    story = ["job:created", "account:selected", "job:started", "job:completed"]
    for type in story:
        for job in jobs:
            await lab.publish(ada, type, job_id=job)
    for _ in range(3):
        await lab.send(webhook)
    heard = [request.message["data"] for request in lab.receiver.requests]
    for job in jobs:
        assert [event["type"] for event in heard if event["job_id"] == str(job)] == story


async def test_the_beginning_of_an_answer_is_kept_and_no_header(lab: Lab) -> None:
    ada = await lab.make.user()
    webhook, _ = await lab.webhook(ada)
    body = "no\x00tice " + "x" * 5_000_000
    lab.receiver.says("/hook", 500, body, **{"Set-Cookie": "session=topsecret"})
    await lab.publish(ada)
    await lab.services.webhook_sender.send(webhook.id)
    [told] = await lab.deliveries(webhook, ada)
    kept = told.delivery.response_body
    assert kept is not None
    assert kept.startswith("no�tice xxx")
    assert len(kept) == 1024
    rows = await lab.sql("SELECT to_jsonb(d)::text FROM webhook_deliveries d")
    assert "topsecret" not in rows[0][0]


# --- two workers, and late ones ---


async def test_two_workers_do_not_send_the_same(lab: Lab) -> None:
    ada = await lab.make.user()
    webhook, _ = await lab.webhook(ada)
    lab.receiver.silent.add("/hook")
    await lab.publish(ada)
    turn = asyncio.create_task(lab.services.webhook_sender.send(webhook.id))
    await lab.receiver.wait_for(lambda: bool(lab.receiver.requests))
    await lab.services.webhook_sender.send(webhook.id)
    assert len(lab.receiver.requests) == 1
    lab.receiver.release()
    await turn
    [told] = await lab.deliveries(webhook, ada)
    assert (told.delivery.status, told.delivery.attempt_count) == (DELIVERED, 1)


async def test_a_worker_past_its_lease_changes_nothing(lab: Lab) -> None:
    ada = await lab.make.user()
    webhook, _ = await lab.webhook(ada)
    lab.receiver.silent.add("/hook")
    lab.receiver.says("/hook", 500)
    await lab.publish(ada)
    late = asyncio.create_task(lab.services.webhook_sender.send(webhook.id))
    await lab.receiver.wait_for(lambda: bool(lab.receiver.requests))
    await lab.sql("UPDATE webhooks SET lease_until = now()")
    await lab.sql("UPDATE webhook_deliveries SET next_attempt_at = now()")
    lab.receiver.silent.clear()
    lab.receiver.says("/hook", 200)
    await lab.services.webhook_sender.send(webhook.id)
    before = await lab.sql("SELECT to_jsonb(w) FROM webhooks w")
    lab.receiver.says("/hook", 500)
    lab.receiver.release()
    await late
    [told] = await lab.deliveries(webhook, ada)
    assert told.delivery.status is DELIVERED
    assert await lab.sql("SELECT to_jsonb(w) FROM webhooks w") == before
    assert len({request.id for request in lab.receiver.requests}) == 1


async def test_the_sweep_wakes_what_has_no_task(lab: Lab) -> None:
    ada = await lab.make.user()
    lost, _ = await lab.webhook(ada)
    paused, _ = await lab.webhook(ada)
    await lab.publish(ada)
    await lab.sql(
        "UPDATE webhooks SET paused_until = now() + interval '1 h' WHERE id = :id", id=paused.id
    )
    await lab.sql("DELETE FROM pgqueuer")
    for _ in range(2):
        await lab.services.webhook_sender.sweep()
    rows = await lab.sql("SELECT convert_from(payload, 'utf8') FROM pgqueuer")
    assert [row[0] for row in rows] == [str(lost.id)]


# --- where it may not go ---


async def test_a_name_that_leads_inside_is_refused_at_delivery(lab: Lab) -> None:
    """What the name says is known only then, and may change at any time."""
    ada = await lab.make.user()
    webhook, _ = await lab.services.webhooks.create(ada, "https://localhost/hook", ["job:created"])
    await lab.publish(ada)
    await lab.services.webhook_sender.send(webhook.id)
    [told] = await lab.deliveries(webhook, ada)
    assert told.delivery.status is PENDING
    assert "the address is not public: loopback" in str(told.delivery.error)


async def test_an_origin_that_is_not_allowed_any_more_is_not_called(lab: Lab) -> None:
    ada = await lab.make.user()
    webhook, _ = await lab.webhook(ada)
    await lab.publish(ada)
    await lab.sql("UPDATE webhooks SET url = replace(url, '127.0.0.1', '127.0.0.2')")
    await lab.services.webhook_sender.send(webhook.id)
    [told] = await lab.deliveries(webhook, ada)
    assert str(told.delivery.error).startswith("It could not be reached: ")
    assert lab.receiver.requests == []


# --- secrets ---


async def test_during_a_rotation_both_secrets_sign(lab: Lab) -> None:
    ada = await lab.make.user()
    webhook, old = await lab.webhook(ada)
    _, new = await lab.services.webhooks.rotate_secret(webhook.id, ada, timedelta(hours=1))
    await lab.publish(ada)
    await lab.send(webhook)
    [request] = lab.receiver.requests
    assert len(request.headers["webhook-signature"].split(" ")) == 2
    assert request.verified_by(old) == request.verified_by(new)

    await lab.sql("UPDATE webhooks SET previous_secret_expires_at = now()")
    await lab.publish(ada)
    await lab.send(webhook)
    last = lab.receiver.requests[-1]
    assert last.verified_by(new)
    with pytest.raises(WebhookVerificationError):
        last.verified_by(old)


async def test_a_rotation_without_overlap_counts_at_once(lab: Lab) -> None:
    ada = await lab.make.user()
    webhook, old = await lab.webhook(ada)
    _, new = await lab.services.webhooks.rotate_secret(webhook.id, ada, timedelta(0))
    await lab.publish(ada)
    await lab.send(webhook)
    [request] = lab.receiver.requests
    assert request.verified_by(new)
    with pytest.raises(WebhookVerificationError):
        request.verified_by(old)


async def test_a_secret_is_sealed_and_bound_to_its_row(lab: Lab) -> None:
    ada = await lab.make.user()
    first, secret = await lab.webhook(ada, path="/first")
    second, _ = await lab.webhook(ada, path="/second")
    rows = await lab.sql("SELECT encode(secret_sealed, 'escape') || w::text FROM webhooks w")
    assert not any(secret.removeprefix("whsec_") in row[0] for row in rows)
    await lab.sql(
        "UPDATE webhooks SET secret_sealed = (SELECT secret_sealed FROM webhooks WHERE id = :a)"
        " WHERE id = :b",
        a=first.id,
        b=second.id,
    )
    await lab.publish(ada)
    await lab.services.webhook_sender.send(second.id)
    assert lab.receiver.requests == []
    [told] = await lab.deliveries(second, ada)
    assert told.delivery.error == "The secret cannot be opened any more; rotate it."
    await lab.services.webhooks.rotate_secret(second.id, ada)
    await lab.send(second)
    assert len(lab.receiver.at("/second")) == 1
