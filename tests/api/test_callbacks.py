"""Callbacks from providers."""

from uuid import uuid4

from tests.api.conftest import People, Person, problem
from tests.conftest import Factory


async def test_forged_and_unknown_callbacks_are_refused(
    people: People, ada: Person, make: Factory
) -> None:
    account = await make.pixverse_account(ada.user)
    stranger = people.stranger()
    for provider_id, account_id in (("pixverse", account.id), ("pixverse", uuid4()), ("sora", 1)):
        answer = await stranger.post(
            f"/api/v1/callbacks/{provider_id}/{account_id}", content=b'{"id": 1}'
        )
        if account_id == 1:
            problem(answer, 404, "not_found")
        else:
            problem(answer, 401, "callback_refused")
