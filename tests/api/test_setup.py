"""A fresh installation gets its first administrator, once, by whoever runs it."""

import asyncio
from typing import Any

import httpx

from pixsim7_backend.bootstrap.services import Services
from tests.api.conftest import People, field, problem
from tests.conftest import Factory

BROWSER = {"X-PixSim7-Client": "web"}
ADMIN = {"email": "root@example.com", "username": "root", "password": "a long enough secret"}


def elsewhere(people: People) -> httpx.AsyncClient:
    """A browser whose request a proxy on this machine passed on."""
    return people.stranger(**BROWSER, **{"X-Forwarded-For": "127.0.0.1"})


async def presence(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.get("/api/v1/auth/presence")
    assert answer.status_code == 200
    return dict(answer.json())


async def test_from_this_machine_no_token_is_needed_and_the_browser_is_signed_in(
    people: People,
) -> None:
    browser = people.stranger(**BROWSER)
    before = await presence(browser)
    assert before["needs_setup"] is True
    assert before["setup_needs_token"] is False
    assert (before["user"], before["session"], before["quota"]) == (None, None, None)

    answer = await browser.post("/api/v1/auth/setup", json=ADMIN)
    assert answer.status_code == 201, answer.text
    assert answer.json()["access_token"] is None
    after = await presence(browser)
    assert after["needs_setup"] is False
    assert after["user"]["role"] == "admin"
    assert after["session"]["id"]
    assert after["quota"]["jobs_today"] == 0
    assert after["features"]["storage"] == "directory"


async def test_from_elsewhere_the_token_of_the_console_is_needed(
    people: People, services: Services
) -> None:
    away = elsewhere(people)
    assert (await presence(away))["setup_needs_token"] is True
    problem(await away.post("/api/v1/auth/setup", json=ADMIN), 403, "setup_refused")

    old = await services.setup.issue_token()
    token = await services.setup.issue_token()
    assert old != token
    body = {**ADMIN, "token": old}
    problem(await away.post("/api/v1/auth/setup", json=body), 403, "setup_refused")
    answer = await away.post("/api/v1/auth/setup", json={**ADMIN, "token": token})
    assert answer.status_code == 201, answer.text
    assert await services.setup.issue_token() is None


async def test_a_second_setup_is_refused_also_with_the_token(
    people: People, services: Services
) -> None:
    token = await services.setup.issue_token()
    browsers = [people.stranger(**BROWSER) for _ in range(4)]
    answers = await asyncio.gather(
        *(
            browser.post(
                "/api/v1/auth/setup",
                json={**ADMIN, "email": f"a{number}@example.com", "username": f"root{number}"},
            )
            for number, browser in enumerate(browsers)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    late = {**ADMIN, "email": "late@example.com", "username": "late", "token": token}
    problem(
        await people.stranger(**BROWSER).post("/api/v1/auth/setup", json=late), 409, "setup_done"
    )


async def test_setup_names_wrong_fields_and_needs_our_own_page(people: People) -> None:
    weak = {**ADMIN, "password": "short"}
    body = problem(
        await people.stranger(**BROWSER).post("/api/v1/auth/setup", json=weak), 422, "invalid_input"
    )
    field(body, "password")
    problem(await people.stranger().post("/api/v1/auth/setup", json=ADMIN), 403, "csrf_refused")
    assert (await presence(people.stranger()))["needs_setup"] is True


async def test_somebody_who_is_no_administrator_does_not_end_the_setup(
    people: People, make: Factory
) -> None:
    await make.user()
    assert (await presence(people.stranger()))["needs_setup"] is True
