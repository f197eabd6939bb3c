"""Webhooks over HTTP, with a worker and a receiver."""

from collections.abc import AsyncIterator

import pytest

from pixsim7_backend.domain.webhook import KNOWN_TYPES, MAX_WEBHOOKS
from pixsim7_backend.shared.config import Settings
from pixsim7_backend.workers.worker import Worker
from tests.api.conftest import Person, field, problem
from tests.api.test_problems import job
from tests.conftest import eventually
from tests.receiver import Receiver, running_receiver

URL = "/api/v1/webhooks"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as running:
        yield running


@pytest.fixture
def settings(settings: Settings, receiver: Receiver) -> Settings:
    return settings.model_copy(update={"allow_private_webhooks": frozenset({receiver.origin})})


async def test_a_webhook_from_its_first_to_its_last_day(ada: Person, receiver: Receiver) -> None:
    answer = await ada.client.post(URL, json={"url": receiver.url(), "event_types": ["job:failed"]})
    assert answer.status_code == 201
    made = answer.json()
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    assert made["status"] == "active"
    one = f"{URL}/{made['id']}"
    assert (await ada.client.get(one)).json() == made
    assert (await ada.client.get(URL)).json() == {"items": [made]}

    changed = (
        await ada.client.patch(one, json={"description": "Mine", "is_enabled": False})
    ).json()
    assert (changed["description"], changed["status"]) == ("Mine", "disabled")
    assert changed["event_types"] == ["job:failed"]
    problem(await ada.client.post(f"{one}/test"), 409, "webhook_disabled")
    await ada.client.patch(one, json={"is_enabled": True})

    rotated = (await ada.client.post(f"{one}/secret", json={"overlap_hours": 1})).json()
    assert rotated["secret"] not in (secret, None)
    assert rotated["previous_secret_expires_at"] is not None
    problem(
        await ada.client.post(f"{one}/secret", json={"overlap_hours": 999}), 422, "invalid_input"
    )
    assert (await ada.client.delete(one)).status_code == 204
    problem(await ada.client.get(one), 404, "webhook_not_found")
    assert (await ada.client.get(URL)).json() == {"items": []}


async def test_a_delivery_is_looked_at_and_replayed(
    ada: Person, receiver: Receiver, worker: Worker
) -> None:
    made = (
        await ada.client.post(URL, json={"url": receiver.url(), "event_types": ["job:created"]})
    ).json()
    accepted = (await ada.client.post("/api/v1/jobs", json=job())).json()
    await receiver.wait_for(lambda: len(receiver.requests) == 1)
    message = receiver.requests[0].verified_by(made["secret"])
    assert message["type"] == "job:created"
    assert message["data"]["job_id"] == accepted["id"]

    test = await ada.client.post(f"{URL}/{made['id']}/test")
    assert test.status_code == 202
    assert test.json()["event_type"] == "webhook:test"
    await receiver.wait_for(lambda: len(receiver.requests) == 2)
    assert receiver.requests[1].id == test.json()["id"]

    log = f"{URL}/{made['id']}/deliveries"

    async def all_delivered() -> bool:
        found = (await ada.client.get(log, params={"status": "delivered"})).json()
        return len(found["items"]) == 2

    await eventually(all_delivered)
    first = (await ada.client.get(log, params={"limit": 1})).json()
    assert [item["event_type"] for item in first["items"]] == ["webhook:test"]
    page = {"limit": 1, "cursor": first["next_cursor"]}
    second = (await ada.client.get(log, params=page)).json()
    [item] = second["items"]
    assert second["next_cursor"] is None
    assert item["payload"] == message["data"]
    assert (item["response_status"], item["attempt_count"]) == (204, 1)
    assert item["next_attempt_at"] is None

    replay = await ada.client.post(f"{log}/{item['id']}/replay")
    assert replay.status_code == 202
    assert replay.json()["status"] == "pending"
    await receiver.wait_for(lambda: len(receiver.requests) == 3)
    assert receiver.requests[2].id == receiver.requests[0].id


async def test_bad_input_is_told_by_field(ada: Person, admin: Person, receiver: Receiver) -> None:
    answer = await ada.client.post(URL, json={"url": "http://10.0.0.1/"})
    assert field(problem(answer, 422, "invalid_webhook"), "url")["allowed"]
    answer = await ada.client.post(URL, json={"url": receiver.url(), "event_types": ["job:made"]})
    body = problem(answer, 422, "invalid_webhook")
    assert field(body, "event_types.0")["allowed"] == list(KNOWN_TYPES)
    problem(await ada.client.post(URL, json={"url": receiver.url(), "x": 1}), 422, "invalid_input")
    everybody = {"url": receiver.url(), "is_for_everybody": True}
    problem(await ada.client.post(URL, json=everybody), 403, "forbidden")
    assert (await admin.client.post(URL, json=everybody)).status_code == 201


async def test_the_number_is_limited(ada: Person, receiver: Receiver) -> None:
    for _ in range(MAX_WEBHOOKS):
        assert (await ada.client.post(URL, json={"url": receiver.url()})).status_code == 201
    body = problem(await ada.client.post(URL, json={"url": receiver.url()}), 429, "quota_exceeded")
    assert str(MAX_WEBHOOKS) in body["detail"]


async def test_a_token_that_reads_changes_nothing(ada: Person, receiver: Receiver) -> None:
    token = await ada.api_token("read")
    headers = {"Authorization": f"Bearer {token}"}
    assert (await ada.client.get(URL, headers=headers)).status_code == 200
    answer = await ada.client.post(URL, json={"url": receiver.url()}, headers=headers)
    problem(answer, 403, "missing_scope")
