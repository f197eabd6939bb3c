"""Jobs over HTTP: accept once, list, steer, explain."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.api.conftest import People, Person, field, problem
from tests.api.test_problems import job


async def created(person: Person, **changes: Any) -> dict[str, Any]:
    answer = await person.client.post("/api/v1/jobs", json=job(**changes))
    assert answer.status_code == 202, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_numbers_and_times_are_plain(ada: Person) -> None:
    made = await created(ada)
    assert isinstance(made["estimated_credits"], float | int)
    assert made["created_at"].endswith("Z")
    assert made["status"] == "pending"


async def test_one_key_makes_one_job(ada: Person, bob: Person) -> None:
    headers = {"Idempotency-Key": "order-66"}
    answers = await asyncio.gather(
        *(ada.client.post("/api/v1/jobs", json=job(), headers=headers) for _ in range(8))
    )
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    other = await ada.client.post("/api/v1/jobs", json=job(name="b"), headers=headers)
    problem(other, 422, "idempotency_mismatch")
    theirs = await bob.client.post("/api/v1/jobs", json=job(), headers=headers)
    assert theirs.json()["id"] != answers[0].json()["id"]
    for wrong in ("", "a b", "x" * 300):
        answer = await ada.client.post(
            "/api/v1/jobs", json=job(), headers={"Idempotency-Key": wrong}
        )
        assert field(problem(answer, 422, "invalid_input"), "Idempotency-Key"), wrong


async def test_a_batch_is_all_or_nothing(people: People) -> None:
    eve = await people.person(max_daily_jobs=3)
    good = await eve.client.post("/api/v1/jobs/batch", json={"jobs": [job(), job()]})
    assert good.status_code == 202
    assert len({item["batch_id"] for item in good.json()["items"]}) == 1
    over = await eve.client.post("/api/v1/jobs/batch", json={"jobs": [job(), job()]})
    problem(over, 429, "quota_exceeded")
    wrong = {"jobs": [job(), job(params={"duration": 400})]}
    problem(await eve.client.post("/api/v1/jobs/batch", json=wrong), 422, "invalid_job")
    problem(await eve.client.post("/api/v1/jobs/batch", json={"jobs": []}), 422, "invalid_input")
    assert len((await eve.client.get("/api/v1/jobs")).json()["items"]) == 2


async def test_pages_and_filters(ada: Person) -> None:
    made = [await created(ada, name=f"number {number}") for number in range(5)]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await ada.client.get("/api/v1/jobs", params=query)).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [item["id"] for item in reversed(made)]
    await ada.client.post(f"/api/v1/jobs/{made[0]['id']}/cancel")
    for query_text, count in (
        ("status=cancelled", 1),
        ("status=pending&status=cancelled", 5),
        ("provider_id=local", 0),
        ("operation_type=text_to_video", 5),
        ("needs_attention=true", 0),
    ):
        page = (await ada.client.get(f"/api/v1/jobs?{query_text}")).json()
        assert len(page["items"]) == count, query_text
    counts = (await ada.client.get("/api/v1/jobs/counts")).json()
    assert (counts["pending"], counts["cancelled"]) == (4, 1)


async def test_steering(ada: Person) -> None:
    made = await created(ada)
    url = f"/api/v1/jobs/{made['id']}"
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    changed = await ada.client.patch(
        url, json={"name": "Dawn", "priority": 1, "scheduled_at": later}
    )
    assert (changed.json()["name"], changed.json()["priority"]) == ("Dawn", 1)
    assert (await ada.client.post(f"{url}/pause")).json()["is_paused"] is True
    assert (await ada.client.post(f"{url}/resume")).json()["is_paused"] is False
    assert (await ada.client.get(f"{url}/explain")).json()["reason_code"] == "scheduled"
    unscheduled = await ada.client.patch(url, json={"scheduled_at": None})
    assert unscheduled.json()["scheduled_at"] is None
    assert (await ada.client.get(f"{url}/explain")).json()["reason_code"] == "no_account"
    assert (await ada.client.get(f"{url}/submissions")).json() == {"items": []}
    problem(await ada.client.post(f"{url}/retry"), 409, "job_state_conflict")
    problem(await ada.client.post(f"{url}/dismiss"), 409, "job_state_conflict")
    assert (await ada.client.post(f"{url}/cancel")).json()["status"] == "cancelled"
    assert (await ada.client.post(f"{url}/cancel")).json()["status"] == "cancelled"
    problem(await ada.client.patch(url, json={"priority": 0}), 409, "job_state_conflict")
    assert (await ada.client.post(f"{url}/retry")).json()["status"] == "pending"
    usage = (await ada.client.get("/api/v1/users/me/usage")).json()
    assert usage["days"][0]["jobs_created"] == 1


async def test_an_estimate(ada: Person) -> None:
    answer = await ada.client.post("/api/v1/jobs/estimate", json=job())
    body = answer.json()
    assert body["credits"] > 0
    assert body["run_s"] > 0
    assert body["output"] == "video"
    wrong = job(count="many")
    problem(await ada.client.post("/api/v1/jobs/estimate", json=wrong), 422, "invalid_input")
    assert (await ada.client.get("/api/v1/jobs")).json()["items"] == []


async def test_operations_have_what_forms_need(ada: Person) -> None:
    items = (await ada.client.get("/api/v1/operations")).json()["items"]
    by_name = {(item["provider_id"], item["operation_type"]): item for item in items}
    local = by_name["local", "image_to_video"]
    assert local["availability"]["state"] == "free"
    assert local["inputs"] == [
        {
            "name": "image",
            "kinds": ["image"],
            "is_list": False,
            "is_required": True,
            "min_items": 1,
            "max_items": 1,
        }
    ]
    assert local["params_schema"]["properties"]["prompt"]["x-ui"]["widget"] == "prompt"
    assert by_name["pixverse", "text_to_video"]["availability"]["state"] == "no_account"
    one = (await ada.client.get("/api/v1/providers/pixverse/operations")).json()["items"]
    assert {item["provider_id"] for item in one} == {"pixverse"}
    problem(await ada.client.get("/api/v1/providers/sora"), 404, "provider_not_found")
