"""Which account is chosen, and that none is used beyond its limits."""

from decimal import Decimal
from typing import Any

import pytest

from pixsim7_backend.domain import ErrorKind
from pixsim7_backend.domain.account import AccountBusy, InsufficientCredits, NoAccountAvailable
from pixsim7_backend.shared.errors import Forbidden, NotFound
from tests.services.conftest import Lab, together


async def chosen(lab: Lab, **need: Any) -> str:
    user = await lab.make.user()
    account = await lab.services.accounts.select_account("pixverse", user.id, **need)
    return account.name


async def test_priority_decides_first(lab: Lab) -> None:
    await lab.make.pixverse_account(name="later", priority=60, credits=Decimal(9999))
    await lab.make.pixverse_account(name="first", priority=10, credits=Decimal(50))
    assert await chosen(lab, required_credits=20) == "first"


async def test_then_health(lab: Lab) -> None:
    ill = await lab.make.pixverse_account(name="ill", credits=Decimal(9999))
    await lab.make.pixverse_account(name="well", credits=Decimal(50))
    await lab.services.accounts.record_failure(ill.id, "trouble", kind=ErrorKind.TRANSIENT)
    assert await chosen(lab) == "well"
    await lab.services.accounts.record_success(ill.id)
    assert await chosen(lab) == "ill"


async def test_then_least_recently_used(lab: Lab) -> None:
    made = [await lab.make.pixverse_account(name=name) for name in ("a", "b", "c")]
    order = []
    for _ in range(6):
        name = await chosen(lab)
        order.append(name)
        account = next(item for item in made if item.name == name)
        await lab.services.accounts.reserve_account(account.id)
        await lab.services.accounts.release_account(account.id)
    assert order[:3] == order[3:]
    assert set(order) == {"a", "b", "c"}


async def test_then_most_credits(lab: Lab) -> None:
    await lab.make.pixverse_account(name="poor", credits=Decimal(100))
    await lab.make.pixverse_account(name="rich", credits=Decimal(900))
    assert await chosen(lab, required_credits=20) == "rich"


async def test_private_shared_and_granted(lab: Lab) -> None:
    accounts = lab.services.accounts
    owner, friend, stranger = [await lab.make.user() for _ in range(3)]
    account = await lab.make.pixverse_account(owner)
    assert (await accounts.select_account("pixverse", owner.id)).id == account.id
    for person in (friend, stranger):
        with pytest.raises(NoAccountAvailable, match="no account for this provider"):
            await accounts.select_account("pixverse", person.id)
        with pytest.raises(NotFound):
            await accounts.get_account_for_user(account.id, person)
    with pytest.raises(NotFound):
        await accounts.grant(account.id, stranger, stranger.id, allow=True)
    await accounts.grant(account.id, owner, friend.id, allow=True)
    await accounts.grant(account.id, owner, friend.id, allow=True)
    assert (await accounts.select_account("pixverse", friend.id)).id == account.id
    with pytest.raises(Forbidden):
        await accounts.update_account(account.id, friend, {"name": "mine now"})
    assert account.id not in [item.id for item in await accounts.list_accounts(stranger)]
    await accounts.grant(account.id, owner, friend.id, allow=False)
    with pytest.raises(NoAccountAvailable):
        await accounts.select_account("pixverse", friend.id)
    await accounts.update_account(account.id, owner, {"is_shared": True})
    assert (await accounts.select_account("pixverse", stranger.id)).id == account.id


async def test_the_reason_is_the_one_nearest_to_being_lifted(lab: Lab) -> None:
    user, admin = await lab.make.user(), await lab.make.user("admin")
    off = await lab.make.pixverse_account(name="off")
    await lab.services.accounts.update_account(off.id, admin, {"is_enabled": False})
    busy = await lab.make.pixverse_account(name="busy", max_concurrent_jobs=1)
    await lab.services.accounts.reserve_account(busy.id)
    with pytest.raises(NoAccountAvailable) as raised:
        await lab.services.accounts.select_account("pixverse", user.id, 20)
    assert raised.value.detail == "Every slot of the account is in use."


async def test_fifty_in_parallel_on_five_slots(lab: Lab) -> None:
    account = await lab.make.pixverse_account(max_concurrent_jobs=5)
    outcomes = await together(lab.services.accounts.reserve_account(account.id) for _ in range(50))
    assert sum(isinstance(item, AccountBusy) for item in outcomes) == 45
    assert [slot for slot, _ in await lab.reservations()] == [1, 2, 3, 4, 5]


async def test_held_credits_are_promised_to_nobody_else(lab: Lab) -> None:
    account = await lab.make.pixverse_account(credits=Decimal(100), max_concurrent_jobs=50)
    outcomes = await together(
        lab.services.accounts.reserve_account(account.id, 30) for _ in range(10)
    )
    assert sum(isinstance(item, InsufficientCredits) for item in outcomes) == 7
    user = await lab.make.user()
    with pytest.raises(NoAccountAvailable, match="It needs 20; only 10 credits are free"):
        await lab.services.accounts.select_account("pixverse", user.id, 20)
    await lab.services.accounts.release_account(account.id)
    assert await lab.services.accounts.select_account("pixverse", user.id, 20)


async def test_a_hand_made_reservation_is_adopted(lab: Lab) -> None:
    user = await lab.make.user()
    account = await lab.make.pixverse_account(max_concurrent_jobs=1)
    job = await lab.make.job(user)
    await lab.services.accounts.reserve_account(account.id)
    submission = await lab.services.providers.execute_job(job, account, job.params)
    assert await lab.reservations() == [(1, float(submission.estimated_credits))]
    await lab.services.accounts.release_account(account.id)
    assert len(await lab.reservations()) == 1, "a submission's slot is given back by its own end"


async def test_an_adopted_reservation_still_needs_the_credits(lab: Lab) -> None:
    user = await lab.make.user()
    account = await lab.make.pixverse_account(credits=Decimal(5))
    job = await lab.make.job(user)
    await lab.services.accounts.reserve_account(account.id)
    with pytest.raises(InsufficientCredits):
        await lab.services.providers.execute_job(job, account, job.params)
    assert await lab.services.providers.get_job_submissions(job.id) == []
    assert await lab.charges() == 0


async def test_a_hand_made_reservation_lapses(lab: Lab) -> None:
    account = await lab.make.pixverse_account(max_concurrent_jobs=1)
    await lab.services.accounts.reserve_account(account.id)
    await lab.services.upkeep.sweep()
    assert len(await lab.reservations()) == 1
    await lab.sql("UPDATE reservations SET expires_at = now() - interval '1 s'")
    await lab.services.upkeep.sweep()
    await lab.services.accounts.reserve_account(account.id)


async def test_fewer_slots_drain_instead_of_interrupting(lab: Lab) -> None:
    admin = await lab.make.user("admin")
    account = await lab.make.pixverse_account(max_concurrent_jobs=3)
    for _ in range(3):
        await lab.services.accounts.reserve_account(account.id)
    await lab.services.accounts.update_account(account.id, admin, {"max_concurrent_jobs": 1})
    assert len(await lab.reservations()) == 3
    for _ in range(2):
        with pytest.raises(AccountBusy):
            await lab.services.accounts.reserve_account(account.id)
        await lab.services.accounts.release_account(account.id)
    await lab.services.accounts.release_account(account.id)
    await lab.services.accounts.reserve_account(account.id)


async def test_a_daily_cap_holds(lab: Lab) -> None:
    user = await lab.make.user()
    account = await lab.make.pixverse_account(max_daily_credits=Decimal(50))
    first = await lab.sent(await lab.make.job(user))
    left = 50 - first.estimated_credits
    sentence = f"only {left.normalize():f} credits are left of today's cap"
    with pytest.raises(NoAccountAvailable, match=sentence):
        await lab.services.accounts.select_account("pixverse", user.id, left + 1)
    await lab.sql("UPDATE provider_submissions SET reserved_at = reserved_at - interval '1 day'")
    assert await lab.services.accounts.select_account("pixverse", user.id, left + 1)
    assert account.credits is not None
