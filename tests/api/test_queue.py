"""What the queue shows of jobs, in whatever number, and what can be done to many at once."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import event, text

from pixsim7_backend.bootstrap.container import Container
from pixsim7_backend.domain import SubmissionState
from pixsim7_backend.infrastructure.database.repositories.submission import SubmissionRepository
from tests.api.conftest import People, Person, field, problem
from tests.api.test_problems import job
from tests.conftest import Factory, eventually, running_worker


async def batch(person: Person, *requests: dict[str, Any]) -> dict[str, Any]:
    answer = await person.client.post("/api/v1/jobs/batch", json={"jobs": requests})
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


async def listed(person: Person, **query: Any) -> list[dict[str, Any]]:
    answer = await person.client.get("/api/v1/jobs", params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def bulk(person: Person, **body: Any) -> dict[str, Any]:
    answer = await person.client.post("/api/v1/jobs/bulk", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_one_submit_makes_variants_of_one_batch(ada: Person) -> None:
    counted = {**job(), "count": 3}
    seeded = {**job(), "seeds": [5, 9]}
    climbing = {**job(params={"prompt": "sea", "seed": 7}), "count": 2}
    made = await batch(ada, counted, seeded, climbing)
    assert [item["params"].get("seed") for item in made["items"]] == [None, None, None, 5, 9, 7, 8]
    assert {item["batch_id"] for item in made["items"]} == {made["batch_id"]}
    assert len(await listed(ada, batch_id=made["batch_id"])) == 7
    alone = await batch(ada, job())
    assert alone["batch_id"] == alone["items"][0]["batch_id"] != made["batch_id"]


async def test_a_batch_names_the_wrong_fields_of_each_request(ada: Person) -> None:
    wrong = job(params={"prompt": "sea", "duration": 400})
    lost = job(workspace_id="00000000-0000-7000-8000-000000000000")
    answer = await ada.client.post("/api/v1/jobs/batch", json={"jobs": [job(), wrong, wrong]})
    body = problem(answer, 422, "invalid_job")
    field(body, "jobs.1.params.duration")
    field(body, "jobs.2.params.duration")
    answer = await ada.client.post("/api/v1/jobs/batch", json={"jobs": [job(), lost]})
    field(problem(answer, 422, "invalid_job"), "jobs.1.workspace_id")
    answer = await ada.client.post(
        "/api/v1/jobs/batch", json={"jobs": [{**job(), "count": 64}, {**job(), "count": 64}]}
    )
    field(problem(answer, 422, "invalid_job"), "jobs")
    assert await listed(ada) == []


async def test_groups_counts_and_words(ada: Person) -> None:
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    made = await batch(
        ada,
        job(params={"prompt": "a red fox"}),
        job(params={"prompt": "a blue whale"}, scheduled_at=later, name="100% blue"),
        job(params={"prompt": "a grey wolf"}),
        job(params={"prompt": "a green toad"}),
    )
    fox, whale, wolf, toad = (item["id"] for item in made["items"])
    await ada.client.post(f"/api/v1/jobs/{wolf}/pause")
    await ada.client.post(f"/api/v1/jobs/{toad}/cancel")
    states = {item["id"]: item["state"] for item in await listed(ada)}
    assert states == {fox: "waiting", whale: "scheduled", wolf: "paused", toad: "cancelled"}
    assert {item["id"] for item in await listed(ada, state="active")} == {fox, wolf}
    assert [item["id"] for item in await listed(ada, state="scheduled")] == [whale]
    assert [item["id"] for item in await listed(ada, state="done")] == [toad]
    assert [item["id"] for item in await listed(ada, q="RED")] == [fox]
    assert [item["id"] for item in await listed(ada, q="100%")] == [whale]
    assert [item["id"] for item in await listed(ada, q="%")] == [whale]
    counts = (await ada.client.get("/api/v1/jobs/counts")).json()
    assert counts == {
        "pending": 3, "processing": 0, "completed": 0, "failed": 0, "cancelled": 1,
        "active": 2, "scheduled": 1, "done": 1, "needs_attention": 0, "paused": 1,
    }  # fmt: skip
    shown = (await ada.client.get(f"/api/v1/jobs/{whale}")).json()
    assert shown["reason"]["code"] == "scheduled"
    assert shown["reason"]["sentence"].startswith("It is scheduled for ")
    assert shown["group"] == "scheduled"
    assert shown["choices"] == ["cancel", "pause", "to_front"]
    assert 3000 < shown["eta_s"] < 5000


async def test_a_finished_job_shows_its_account_result_and_money(
    ada: Person, container: Container, make: Factory
) -> None:
    account = await make.pixverse_account()
    made = (await batch(ada, job()))["items"][0]
    assert (made["queue_position"], made["account"]) == (1, None)
    url = f"/api/v1/jobs/{made['id']}"

    async def shown() -> dict[str, Any]:
        return dict((await ada.client.get(url)).json())

    async def has_thumbnail() -> bool:
        body = await shown()
        return body["thumb"] is not None and body["thumb"]["thumbnail"] is not None

    async with running_worker(container):
        await eventually(has_thumbnail)
    done = await shown()
    assert (done["state"], done["group"], done["choices"]) == ("completed", "done", [])
    assert done["account"] == {"id": str(account.id), "name": account.name}
    assert done["asset_ids"] == [done["asset_id"]]
    assert done["charged_credits"] == done["estimated_credits"] > 0
    assert (done["reserved_credits"], done["returned_credits"]) == (0, 0)
    picture = await ada.client.get(done["thumb"]["thumbnail"])
    assert picture.headers["content-type"] == "image/webp"

    follow = job(operation_type="image_to_video", params={"prompt": "on", "image": "x"})
    pictures = await make.services.assets.list_assets(ada.user)
    follow["params"]["image"] = str(pictures.items[0].id)
    refused = await ada.client.post("/api/v1/jobs", json=follow)
    field(problem(refused, 422, "invalid_job"), "params.image")


async def test_an_unknown_outcome_shows_what_a_person_may_choose(
    ada: Person, container: Container, make: Factory
) -> None:
    await make.pixverse_account()
    made = (await batch(ada, job()))["items"][0]
    await container.services.dispatcher.dispatch("pixverse")
    held = (await ada.client.get(f"/api/v1/jobs/{made['id']}")).json()
    assert (held["state"], held["reserved_credits"]) == ("sending", held["estimated_credits"])
    assert held["choices"] == ["cancel", "pause", "to_front"]
    async with container.database.transaction() as tx:
        submissions = SubmissionRepository(tx.session)
        attempt = (await submissions.list_of_job(UUID(made["id"])))[0]
        for state in (SubmissionState.SUBMITTING, SubmissionState.IN_DOUBT):
            await submissions.move(attempt.id, state)
        await tx.session.execute(text("DELETE FROM reservations"))
        await submissions.move(attempt.id, SubmissionState.CLOSED_UNKNOWN)
    await container.services.jobs.call_for_attention(UUID(made["id"]), "unknown", "Nobody knows.")
    shown = (await ada.client.get(f"/api/v1/jobs/{made['id']}")).json()
    assert shown["state"] == "attention"
    assert shown["reason"] == {"code": "unknown", "sentence": "Nobody knows."}
    assert shown["choices"] == ["cancel", "retry_second_charge", "dismiss"]
    dismissed = (await ada.client.post(f"/api/v1/jobs/{made['id']}/dismiss")).json()
    assert (dismissed["state"], dismissed["returned_credits"]) == ("failed", 0)
    assert dismissed["choices"] == ["retry_second_charge"]


async def test_cancelling_a_parent_tells_its_children(ada: Person) -> None:
    parent = (await batch(ada, job()))["items"][0]["id"]
    child = (await batch(ada, job(parent_job_id=parent)))["items"][0]["id"]
    grandchild = (await batch(ada, job(parent_job_id=child)))["items"][0]["id"]
    shown = (await ada.client.get(f"/api/v1/jobs/{parent}")).json()
    assert shown["child_ids"] == [child]
    cancelled = (await ada.client.post(f"/api/v1/jobs/{parent}/cancel")).json()
    assert set(cancelled["cancelled_child_ids"]) == {child, grandchild}
    shown = (await ada.client.get(f"/api/v1/jobs/{grandchild}")).json()
    assert shown["reason"]["code"] == "parent_cancelled"


async def test_one_action_on_many_jobs(ada: Person, bob: Person) -> None:
    made = [item["id"] for item in (await batch(ada, {**job(), "count": 4}))["items"]]
    foreign = (await batch(bob, job()))["items"][0]["id"]
    result = await bulk(ada, action="pause", ids=[*made[:2], foreign])
    assert (result["matched"], result["done"], result["remaining"]) == (3, 2, 0)
    assert [(item["code"], item["count"]) for item in result["skipped"]] == [("job_not_found", 1)]
    assert (await bulk(ada, action="resume", filter={}))["done"] == 2
    assert (await bulk(ada, action="to_front", ids=[made[3]]))["done"] == 1
    assert {item["id"]: item["priority"] for item in await listed(ada)}[made[3]] == 0
    child = (await batch(ada, job(parent_job_id=made[0])))["items"][0]["id"]
    result = await bulk(ada, action="cancel", ids=made)
    assert (result["done"], result["cancelled_children"]) == (4, 1)
    assert (await ada.client.get(f"/api/v1/jobs/{child}")).json()["state"] == "cancelled"
    # Nothing is left that it fits, so nothing is matched.
    result = await bulk(ada, action="cancel", filter={"state": "active"})
    assert (result["matched"], result["done"], result["skipped"]) == (0, 0, [])
    assert (await bob.client.get(f"/api/v1/jobs/{foreign}")).json()["state"] == "waiting"
    for body in ({"action": "cancel"}, {"action": "cancel", "ids": made, "filter": {}}):
        problem(await ada.client.post("/api/v1/jobs/bulk", json=body), 422, "invalid_input")


async def test_administrators_see_and_steer_all_but_read_no_words(
    ada: Person, admin: Person
) -> None:
    made = (await batch(ada, job(name="Secret", params={"prompt": "my secret"})))["items"][0]
    for query in ({"all_users": "true"}, {"user_id": str(ada.user.id)}):
        problem(
            await made_by_another(query, ada, admin),
            403,
            "forbidden",
        )
        row = (await listed(admin, **query))[0]
        assert (row["id"], row["user"]["username"]) == (made["id"], ada.user.username)
        assert (row["prompt"], row["params"], row["name"]) == ("", {}, None)
    assert await listed(admin) == []
    counts = (await admin.client.get("/api/v1/jobs/counts?all_users=true")).json()
    assert counts["active"] == 1
    problem(await ada.client.get("/api/v1/jobs/counts?all_users=true"), 403, "forbidden")
    cancelled = (await admin.client.post(f"/api/v1/jobs/{made['id']}/cancel")).json()
    assert (cancelled["state"], cancelled["prompt"]) == ("cancelled", "")


async def made_by_another(query: dict[str, str], ada: Person, admin: Person) -> Any:
    """A person who asks for what is only an administrator's."""
    other = {"user_id": str(admin.user.id)} if "user_id" in query else query
    return await ada.client.get("/api/v1/jobs", params=other)


async def test_an_estimate_tells_the_odds(people: People, make: Factory) -> None:
    eve = await people.person(max_daily_jobs=3)
    url = "/api/v1/jobs/estimate"
    empty = (await eve.client.post(url, json={**job(), "count": 4})).json()
    assert [item["field"] for item in empty["problems"]] == ["quota", "account"]
    assert (empty["accounts_able"], empty["eta_s"]) == (0, None)

    account = await make.pixverse_account(max_concurrent_jobs=2)
    await batch(eve, {**job(), "count": 2})
    found = (await eve.client.post(url, json=job())).json()
    assert found["problems"] == []
    assert found["quota"]["jobs_left_today"] == 1
    assert (found["ahead"], found["accounts_able"], found["price_unit"]) == (2, 1, "credits")
    assert found["payers"][0]["account_id"] == str(account.id)
    assert found["payers"][0]["credits_free"] == 10_000
    assert found["eta_s"] == found["run_s"] * 2
    twice = (await eve.client.post(url, json={**job(), "seeds": [1, 2]})).json()
    assert twice["credits"] == 2 * twice["credits_each"] == 2 * found["credits"]

    wrong = job(params={"prompt": "sea", "duration": 400})
    body = (await eve.client.post(url, json=wrong)).json()
    assert field({"fields": body["problems"]}, "params.duration")
    assert (body["credits"], body["output"]) == (None, None)
    assert (await eve.client.get("/api/v1/jobs/counts")).json()["pending"] == 2


async def test_a_page_costs_the_same_among_thousands(
    ada: Person, container: Container, make: Factory
) -> None:
    await make.pixverse_account()
    first = (await batch(ada, job()))["items"][0]["id"]
    copy = text(
        """
        INSERT INTO jobs (id, user_id, provider_id, operation_type, params, status, priority,
                          eta_s, estimated_credits)
        SELECT gen_random_uuid(), user_id, provider_id, operation_type, params, status, 6,
               eta_s, estimated_credits
        FROM jobs, generate_series(1, 5000) WHERE id = :id
        """
    )
    async with container.database.transaction() as tx:
        await tx.session.execute(copy, {"id": UUID(first)})
    statements = await _statements(container, ada, {"limit": 10})
    assert await _statements(container, ada, {"limit": 100}) == statements
    started = time.perf_counter()
    page = await listed(ada, state="active", limit=100)
    assert time.perf_counter() - started < 1.0
    assert len(page) == 100
    assert len({item["queue_position"] for item in page}) == 100
    assert (await ada.client.get(f"/api/v1/jobs/{first}")).json()["queue_position"] == 1


async def _statements(container: Container, person: Person, query: dict[str, int]) -> int:
    """How many statements one page takes."""
    count = 0

    def counted(*_: Any) -> None:
        nonlocal count
        count += 1

    engine = container.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", counted)
    try:
        await listed(person, **query)
    finally:
        event.remove(engine, "before_cursor_execute", counted)
    return count
