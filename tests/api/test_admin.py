"""What administrators look at: usage, events, health."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from pixsim7_backend.bootstrap.container import Container
from tests.api.conftest import Person, field, problem
from tests.conftest import Factory, eventually, job_ended, running_worker


async def got(person: Person, path: str, **query: Any) -> dict[str, Any]:
    answer = await person.client.get(f"/api/v1/admin/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_usage_adds_up_by_day_person_provider_and_account(
    admin: Person, ada: Person, bob: Person, container: Container, make: Factory
) -> None:
    account = await make.pixverse_account()
    done = await make.job(ada.user)
    async with running_worker(container):
        await job_ended(make.services, done, ada.user)
    cancelled = await make.job(bob.user)
    await make.services.jobs.cancel_job(cancelled.id, bob.user)
    today = datetime.now(UTC).date().isoformat()

    by_day = await got(admin, "usage")
    assert (by_day["to"], by_day["group"], len(by_day["rows"])) == (today, "day", 1)
    row = by_day["rows"][0]
    assert (row["key"], row["jobs"], row["completed"], row["cancelled"]) == (today, 2, 1, 1)
    assert row["success_rate"] == 1.0
    assert row["credits"] == float(done.estimated_credits)
    assert 0 < row["p50_s"] <= row["p90_s"]
    assert {**by_day["total"], "key": today, "label": today} == row

    people = {row["label"]: row for row in (await got(admin, "usage", group="user"))["rows"]}
    assert people[ada.user.username]["completed"] == 1
    assert people[bob.user.username]["success_rate"] is None
    providers = (await got(admin, "usage", group="provider"))["rows"]
    assert [(row["key"], row["label"]) for row in providers] == [("pixverse", "PixVerse")]
    accounts = (await got(admin, "usage", group="account"))["rows"]
    assert [(row["key"], row["label"], row["jobs"]) for row in accounts] == [
        (str(account.id), account.name, 1)
    ]
    past = await got(admin, "usage", **{"from": "2020-01-01", "to": "2020-01-31"})
    assert (past["rows"], past["total"]["jobs"]) == ([], 0)
    wrong = {"from": "2020-01-01", "to": "2022-01-01"}
    answer = await admin.client.get("/api/v1/admin/usage", params=wrong)
    field(problem(answer, 422, "invalid_input"), "from")


async def test_events_are_read_newest_first_and_filtered(
    admin: Person, ada: Person, make: Factory
) -> None:
    jobs = [await make.job(ada.user) for _ in range(3)]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        query = {"type": "job:created", "limit": 2} | ({"cursor": cursor} if cursor else {})
        page = await got(admin, "events", **query)
        seen += [item["job_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [str(job.id) for job in reversed(jobs)]
    one = (await got(admin, "events", job_id=str(jobs[0].id)))["items"]
    assert [(item["type"], item["user_id"]) for item in one] == [("job:created", str(ada.user.id))]
    answer = await admin.client.get("/api/v1/admin/events", params={"type": "job:exploded"})
    assert "job:created" in field(problem(answer, 422, "invalid_input"), "type")["allowed"]
    types = (await got(admin, "event-types"))["items"]
    assert {"type": "job:created", "description": "accepted and waiting"} in types


async def test_health_says_what_to_do(admin: Person, container: Container) -> None:
    async def check(name: str) -> dict[str, Any]:
        body = await got(admin, "health")
        return next(dict(item) for item in body["checks"] if item["name"] == name)

    without = await check("workers")
    assert without["state"] == "bad"
    assert "pixsim7 worker" in without["fix"]
    assert (await got(admin, "health"))["status"] == "bad"

    async def has_beaten() -> bool:
        return str((await check("workers"))["state"]) == "ok"

    async with running_worker(container):
        await eventually(has_beaten)
        body = await got(admin, "health")
        assert [worker["is_alive"] for worker in body["workers"]] == [True]
        assert body["workers"][0]["version"] == body["versions"]["pixsim7"]
        assert body["storage"]["disk_free_bytes"] > 0
        for name in ("database", "clock", "storage", "queue", "slots", "jobs"):
            assert (await check(name))["state"] == "ok", name
    assert (await got(admin, "health"))["workers"] == []


async def test_default_quotas_are_read(admin: Person) -> None:
    assert (await got(admin, "quotas"))["max_accounts"] == 20


async def test_none_of_it_is_for_others(ada: Person) -> None:
    paths = ("usage", "events", "event-types", "health", "quotas")
    answers = await asyncio.gather(*(ada.client.get(f"/api/v1/admin/{path}") for path in paths))
    for answer in answers:
        problem(answer, 403, "admins_only")
