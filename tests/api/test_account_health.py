"""How accounts are doing, as people see it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from pixsim7_backend.bootstrap.container import Container
from pixsim7_backend.domain.vocabulary import ErrorKind
from pixsim7_simulator import RunningSimulator
from tests.api.conftest import People, Person, field, problem
from tests.conftest import Factory, eventually, job_ended, running_worker


async def read(person: Person, account_id: object) -> dict[str, Any]:
    answer = await person.client.get(f"/api/v1/accounts/{account_id}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_a_state_in_words(ada: Person, make: Factory) -> None:
    account = await make.pixverse_account(ada.user, max_concurrent_jobs=1)
    accounts = make.services.accounts
    shown = await read(ada, account.id)
    assert shown["state"] == {"code": "ready", "sentence": "It is ready.", "until": None}
    await accounts.reserve_account(account.id, 10)
    shown = await read(ada, account.id)
    assert (shown["state"]["code"], shown["slots_used"]) == ("busy", 1)
    assert (shown["credits"], shown["credits_held"], shown["credits_free"]) == (10_000, 10, 9990)
    await accounts.release_account(account.id)
    await accounts.record_failure(account.id, "slow down", kind=ErrorKind.RATE, retry_after_s=90)
    cooling = (await read(ada, account.id))["state"]
    assert cooling["code"] == "cooling"
    until = datetime.fromisoformat(cooling["until"])
    assert timedelta(seconds=60) < until - datetime.now(UTC) < timedelta(seconds=91)
    await accounts.record_failure(account.id, "The key is wrong.", kind=ErrorKind.AUTH)
    assert (await read(ada, account.id))["state"]["sentence"] == "The key is wrong."
    await ada.client.patch(f"/api/v1/accounts/{account.id}", json={"is_enabled": False})
    assert (await read(ada, account.id))["state"]["code"] == "paused"


async def test_work_shows_in_days_and_errors_by_cause(
    ada: Person, bob: Person, container: Container, make: Factory
) -> None:
    account = await make.pixverse_account(ada.user, is_shared=True)
    good = await make.job(ada.user)
    async with running_worker(container):
        await job_ended(make.services, good, ada.user)

        async def counted() -> bool:
            return (await read(ada, account.id))["week"]["success_rate"] is not None

        await eventually(counted)
    shown = await read(ada, account.id)
    assert shown["week"]["success_rate"] == 1.0
    assert len(shown["days"]) == 30
    assert shown["days"][-1]["jobs"] == 1
    assert shown["days"][-1]["credits"] == float(good.estimated_credits)
    assert shown["errors"] == []
    listed = (await ada.client.get("/api/v1/accounts")).json()["items"]
    own = next(item for item in listed if item["id"] == str(account.id))
    assert len(own["days"]) == 7
    # Those who only use it see that it works, not what it is used for.
    theirs = await read(bob, account.id)
    assert (theirs["week"]["jobs"], theirs["days"], theirs["errors"]) == (1, [], [])


async def test_a_removed_account_is_gone_but_its_history_stays(
    people: People, container: Container, make: Factory
) -> None:
    eve = await people.person(max_accounts=1)
    account = await make.pixverse_account(eve.user)
    job = await make.job(eve.user)
    async with running_worker(container):
        await job_ended(make.services, job, eve.user)

        async def removed() -> bool:
            answer = await eve.client.delete(f"/api/v1/accounts/{account.id}")
            return answer.status_code == 204

        await eventually(removed)
    problem(await eve.client.get(f"/api/v1/accounts/{account.id}"), 404, "account_not_found")
    problem(
        await eve.client.patch(f"/api/v1/accounts/{account.id}", json={"is_enabled": True}),
        404,
        "account_not_found",
    )
    listed = (await eve.client.get("/api/v1/accounts")).json()["items"]
    assert str(account.id) not in {item["id"] for item in listed}
    shown = (await eve.client.get(f"/api/v1/jobs/{job.id}")).json()
    assert shown["account"]["name"] == account.name
    items = (await eve.client.get("/api/v1/operations")).json()["items"]
    states = {item["availability"]["state"] for item in items if item["provider_id"] == "pixverse"}
    assert states == {"no_account"}
    again = await eve.client.post(
        "/api/v1/accounts",
        json={"provider_id": "pixverse", "name": "New", "credentials": {"api_key": "sk-test-2"}},
    )
    assert again.status_code == 201, again.text


async def test_credentials_are_tried_before_they_are_saved(
    ada: Person, simulator: RunningSimulator
) -> None:
    body = {
        "provider_id": "pixverse",
        "credentials": {"api_key": "sk-test-1"},
        "base_url": simulator.pixverse_url,
    }
    right = (await ada.client.post("/api/v1/accounts/test", json=body)).json()
    assert (right["ok"], right["credits"]) == (True, 100_000)
    wrong = {**body, "credentials": {"api_key": "sk-nobody"}}
    assert (await ada.client.post("/api/v1/accounts/test", json=wrong)).json()["ok"] is False
    none = {**body, "credentials": {}}
    answer = await ada.client.post("/api/v1/accounts/test", json=none)
    field(problem(answer, 422, "invalid_account"), "credentials.api_key")
    listed = (await ada.client.get("/api/v1/accounts")).json()["items"]
    assert [item["provider_id"] for item in listed] == ["local"]


async def test_availability_tells_who_could_take_a_job(ada: Person, make: Factory) -> None:
    free = await make.pixverse_account(name="free")
    busy = await make.pixverse_account(name="busy", max_concurrent_jobs=1)
    cooling = await make.pixverse_account(name="cooling")
    accounts = make.services.accounts
    await accounts.reserve_account(busy.id)
    await accounts.record_failure(cooling.id, "wait", kind=ErrorKind.RATE, retry_after_s=60)

    async def found() -> dict[str, Any]:
        items = (await ada.client.get("/api/v1/operations")).json()["items"]
        item = next(item for item in items if item["provider_id"] == "pixverse")
        assert item["price_unit"] == "credits"
        assert item["limits"]["max_prompt_length"] == 2048
        return dict(item["availability"])

    body = await found()
    assert (body["state"], body["sentence"]) == ("free", "1 free.")
    numbers = ("accounts", "accounts_able", "accounts_free", "accounts_busy", "accounts_cooling")
    assert [body[name] for name in numbers] == [3, 2, 1, 1, 1]
    assert body["cooling_until"] is not None
    for account in (free, busy):
        await accounts.record_failure(account.id, "wait", kind=ErrorKind.RATE, retry_after_s=60)
    assert (await found())["state"] == "cooling"
