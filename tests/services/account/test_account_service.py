"""What accounts learn, spend and keep secret."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from pixsim7_backend.domain import AccountStatus, ErrorKind, ProviderAccount
from pixsim7_backend.domain.account import AccountInUse, AccountNotFound, NoAccountAvailable
from pixsim7_backend.domain.user import QuotaExceeded
from pixsim7_backend.infrastructure.security.credentials import CredentialsUnreadable
from pixsim7_backend.shared.errors import Forbidden, InvalidInput
from tests.services.conftest import POLL, Lab

CANARY = "sk-canary-7f3e9a1b5d"


async def now(lab: Lab, account: ProviderAccount) -> ProviderAccount:
    return await lab.services.accounts.get_account(account.id)


# --- credits ---


async def test_used_up_credits_exhaust_and_new_ones_recover(lab: Lab) -> None:
    accounts = lab.services.accounts
    account = await lab.make.pixverse_account(credits=Decimal(30))
    account = await accounts.deduct_credits(account.id, 10)
    assert (account.credits, account.status) == (Decimal(20), AccountStatus.ACTIVE)
    account = await accounts.deduct_credits(account.id, 25)
    assert (account.credits, account.status) == (Decimal(0), AccountStatus.EXHAUSTED)
    user = await lab.make.user()
    with pytest.raises(NoAccountAvailable, match="used up"):
        await accounts.select_account("pixverse", user.id, 1)
    account = await accounts.update_credits(account.id, 500)
    assert (account.credits, account.status) == (Decimal(500), AccountStatus.ACTIVE)
    queued = "SELECT count(*) FROM pgqueuer WHERE entrypoint = 'dispatch'"
    assert await lab.scalar(queued) > 0, "whoever waited is dispatched"


async def test_a_charge_that_the_balance_contains_is_not_subtracted_again(lab: Lab) -> None:
    user = await lab.make.user()
    account = await lab.make.pixverse_account(credits=Decimal(1000))
    submission = await lab.sent(await lab.make.job(user))
    cost = submission.estimated_credits
    await lab.services.accounts.update_credits(
        account.id, 1000 - cost, sync_started_at=datetime.now(UTC)
    )
    assert [held for _, held in await lab.reservations()] == [0]
    await lab.polled()
    assert (await now(lab, account)).credits == 1000 - cost


async def test_a_charge_after_the_balance_was_read_is_subtracted(lab: Lab) -> None:
    user = await lab.make.user()
    account = await lab.make.pixverse_account(credits=Decimal(1000))
    before = datetime.now(UTC)
    submission = await lab.sent(await lab.make.job(user))
    await lab.services.accounts.update_credits(account.id, 1000, sync_started_at=before)
    assert [held for _, held in await lab.reservations()] == [submission.estimated_credits]
    await lab.polled()
    assert (await now(lab, account)).credits == 1000 - submission.estimated_credits


async def test_a_late_answer_about_an_older_balance_changes_nothing(lab: Lab) -> None:
    accounts = lab.services.accounts
    account = await lab.make.pixverse_account(credits=Decimal(1000))
    later = datetime.now(UTC)
    await accounts.update_credits(account.id, 100, sync_started_at=later)
    await accounts.update_credits(account.id, 900, sync_started_at=later - timedelta(seconds=3))
    assert (await now(lab, account)).credits == 100


async def test_the_balance_is_read_from_the_vendor(lab: Lab) -> None:
    account = await lab.make.pixverse_account(credits=Decimal(1))
    await lab.simulator.patch_account("sk-test-1", monthly=0, package=777)
    balance = await lab.services.providers.sync_balance(account.id)
    assert balance is not None
    assert (await now(lab, account)).credits == balance.credits == 777


# --- learning ---


@pytest.mark.parametrize(
    ("kind", "status", "cooling_s"),
    [
        (ErrorKind.RATE, AccountStatus.RATE_LIMITED, 7),
        (ErrorKind.CONCURRENCY, AccountStatus.ACTIVE, 7),
        (ErrorKind.CREDITS, AccountStatus.EXHAUSTED, None),
        (ErrorKind.AUTH, AccountStatus.ERROR, None),
        (ErrorKind.TRANSIENT, AccountStatus.ACTIVE, None),
        (ErrorKind.FILTERED, AccountStatus.ACTIVE, None),
    ],
)
async def test_what_a_failure_does_to_its_account(
    lab: Lab, kind: ErrorKind, status: AccountStatus, cooling_s: int | None
) -> None:
    account = await lab.make.pixverse_account()
    asked = datetime.now(UTC)
    await lab.services.accounts.record_failure(account.id, "no", kind=kind, retry_after_s=7)
    account = await now(lab, account)
    assert account.status is status
    if cooling_s is None:
        assert account.cooldown_until is None
    else:
        assert account.cooldown_until is not None
        left = (account.cooldown_until - asked).total_seconds()
        assert cooling_s <= left < cooling_s + 5


@pytest.mark.parametrize(("told", "kept"), [(-5, 1), (10**9, 3600), (None, 60)])
async def test_an_odd_retry_after_is_made_sensible(
    lab: Lab, told: float | None, kept: float
) -> None:
    account = await lab.make.pixverse_account()
    asked = datetime.now(UTC)
    await lab.services.accounts.record_failure(
        account.id, "slow down", kind=ErrorKind.RATE, retry_after_s=told
    )
    until = (await now(lab, account)).cooldown_until
    assert until is not None
    assert kept <= (until - asked).total_seconds() < kept + 5


async def test_five_failures_in_a_row_make_an_account_rest(lab: Lab) -> None:
    account = await lab.make.pixverse_account()
    for _ in range(4):
        await lab.services.accounts.record_failure(account.id, "?", kind=ErrorKind.TRANSIENT)
    await lab.services.accounts.record_failure(account.id, "!", kind=ErrorKind.PARAM)
    assert (await now(lab, account)).cooldown_until is None, "not the account's fault"
    await lab.services.accounts.record_failure(account.id, "?", kind=ErrorKind.TRANSIENT)
    assert (await now(lab, account)).cooldown_until is not None


async def test_a_cooldown_ends(lab: Lab) -> None:
    account = await lab.make.pixverse_account()
    await lab.services.accounts.record_failure(account.id, "slow", kind=ErrorKind.RATE)
    await lab.services.accounts.end_cooldown(account.id)
    assert (await now(lab, account)).status is AccountStatus.RATE_LIMITED
    await lab.sql("UPDATE provider_accounts SET cooldown_until = now() - interval '1 s'")
    await lab.services.accounts.end_cooldown(account.id)
    assert (await now(lab, account)).status is AccountStatus.ACTIVE


async def test_statistics_and_the_moving_average(lab: Lab) -> None:
    account = await lab.make.pixverse_account()
    for seconds in (10.0, 20.0, 20.0):
        await lab.services.accounts.record_success(account.id, generation_time_sec=seconds)
    await lab.services.accounts.record_failure(account.id, "x" * 1000)
    account = await now(lab, account)
    assert account.avg_generation_time_sec == pytest.approx(13.6)
    assert (account.success_count, account.failure_count) == (3, 1)
    assert account.last_error is not None
    assert len(account.last_error) == 500


async def test_a_key_refused_while_polling_disables_no_job(lab: Lab) -> None:
    user = await lab.make.user()
    account = await lab.make.pixverse_account()
    job = await lab.make.job(user)
    await lab.sent(job)
    await lab.simulator.fault({"kind": "status", "status": 401}, endpoint=POLL, times=1)
    await lab.polled()
    assert (await now(lab, account)).status is AccountStatus.ERROR
    await lab.polled()
    assert (await lab.job(job)).asset_id is not None, "what runs is still watched and kept"
    await lab.services.providers.sync_balance(account.id)
    assert (await now(lab, account)).status is AccountStatus.ACTIVE, "a good test clears it"


# --- secrets ---


async def test_a_key_is_written_nowhere(lab: Lab) -> None:
    owner = await lab.make.user()
    account = await lab.make.pixverse_account(owner, key=CANARY, name="Secret")
    account = await lab.services.accounts.replace_credentials(
        account.id, owner, {"api_key": CANARY, "webhook_secret": CANARY[::-1]}, CANARY
    )
    rows = await lab.sql(
        "SELECT t::text || encode(coalesce(credentials_sealed, ''), 'escape')"
        " FROM provider_accounts t UNION ALL SELECT t::text FROM events t"
        " UNION ALL SELECT encode(payload, 'escape') FROM pgqueuer"
    )
    everything = " ".join(row[0] for row in rows if row[0])
    context = lab.services.providers._calls.context(account)
    for text in (everything, repr(account), repr(context), repr(vars(account))):
        assert CANARY not in text
        assert CANARY[::-1] not in text
    assert account.credentials_hint == CANARY[-4:]
    assert lab.services.accounts.open_credentials(account)["api_key"] == CANARY


async def test_a_ciphertext_opens_in_its_own_row_only(lab: Lab) -> None:
    one, two = await lab.make.pixverse_account(), await lab.make.pixverse_account(key="sk-test-2")
    await lab.sql(
        "UPDATE provider_accounts SET credentials_sealed ="
        " (SELECT credentials_sealed FROM provider_accounts WHERE id = :one) WHERE id = :two",
        one=one.id,
        two=two.id,
    )
    with pytest.raises(CredentialsUnreadable):
        lab.services.accounts.open_credentials(await now(lab, two))
    user = await lab.make.user()
    await lab.sql("UPDATE provider_accounts SET user_id = :user", user=user.id)
    with pytest.raises(CredentialsUnreadable):
        lab.services.accounts.open_credentials(await now(lab, one))


async def test_one_unreadable_account_does_not_stop_the_others(lab: Lab) -> None:
    user = await lab.make.user()
    bad = await lab.make.pixverse_account(max_concurrent_jobs=1)
    await lab.make.pixverse_account(key="sk-test-2", max_concurrent_jobs=1)
    jobs = [await lab.make.job(user) for _ in range(2)]
    for job in jobs:
        await lab.sent(job)
    await lab.sql("UPDATE provider_accounts SET credentials_sealed = 'x' WHERE id = :id", id=bad.id)
    await lab.polled()
    done = [(await lab.job(job)).asset_id is not None for job in jobs]
    assert sorted(done) == [False, True]


# --- limits and deletion ---


async def test_a_person_owns_as_many_accounts_as_they_may(lab: Lab) -> None:
    user = await lab.make.user(max_accounts=1)
    await lab.make.pixverse_account(user)
    with pytest.raises(QuotaExceeded):
        await lab.make.pixverse_account(user)


async def test_an_unused_account_is_deleted_for_good(lab: Lab) -> None:
    owner, other = await lab.make.user(), await lab.make.user()
    account = await lab.make.pixverse_account(owner)
    with pytest.raises(AccountNotFound):
        await lab.services.accounts.delete_account(account.id, other)
    await lab.services.accounts.delete_account(account.id, owner)
    with pytest.raises(AccountNotFound):
        await now(lab, account)


async def test_an_account_at_work_is_not_deleted(lab: Lab) -> None:
    owner = await lab.make.user()
    account = await lab.make.pixverse_account(owner)
    job = await lab.make.job(owner)
    await lab.sent(job)
    with pytest.raises(AccountInUse):
        await lab.services.accounts.delete_account(account.id, owner)
    await lab.polled()
    with pytest.raises(AccountInUse):  # the result has still to come home
        await lab.services.accounts.delete_account(account.id, owner)
    asset_id = (await lab.job(job)).asset_id
    assert asset_id is not None
    await lab.services.ingest.ingest(asset_id)
    await lab.services.accounts.delete_account(account.id, owner)
    kept = await now(lab, account)
    assert (kept.status, kept.credentials_sealed) == (AccountStatus.DISABLED, None)
    assert (await lab.asset(asset_id, owner)).account_id == account.id


async def test_only_its_owner_changes_an_account(lab: Lab) -> None:
    accounts = lab.services.accounts
    user, admin = await lab.make.user(), await lab.make.user("admin")
    house = await lab.make.pixverse_account()
    for attempt in (
        accounts.update_account(house.id, user, {"name": "mine"}),
        accounts.replace_credentials(house.id, user, {"api_key": "sk-mine-instead"}, ""),
        accounts.delete_account(house.id, user),
        accounts.grant(house.id, user, user.id, allow=True),
    ):
        with pytest.raises(Forbidden):
            await attempt
    with pytest.raises(InvalidInput) as raised:
        await accounts.update_account(house.id, admin, {"is_shared": False})
    assert raised.value.fields[0].field == "is_shared"
    changed = await accounts.update_account(house.id, admin, {"name": "Ours", "priority": 3})
    assert (changed.name, changed.priority) == ("Ours", 3)
