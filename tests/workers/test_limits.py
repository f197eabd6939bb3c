"""Many jobs, several accounts, two workers: no limit is ever exceeded, as the vendor sees it."""

from decimal import Decimal

from tests.workers.lab import Lab


async def test_two_workers_never_exceed_the_limits_of_three_accounts(lab: Lab) -> None:
    user = await lab.user()
    accounts = [await lab.account(f"key-{limit}", limit=limit) for limit in (1, 2, 5)]
    jobs = await lab.jobs(user, 200)
    await lab.worker(is_started=False)
    await lab.worker(is_started=False)

    await lab.all_ended()

    await lab.check(accounts)
    assert len(await lab.simulator.charges_by_trace()) == len(jobs)
    assert await lab.value("SELECT count(*) FROM jobs WHERE status = 'completed'") == len(jobs)
    busiest = await lab.simulator.concurrency("key-5")
    assert busiest["peak"] > 1, "nothing ran side by side: the limits were not put to the test"
    for account in accounts:
        key = account.name.removeprefix("PixVerse ")
        balance = (await lab.simulator.account(key))["balance"]
        # What we booked ourselves already says the same as the vendor ...
        mirror = await lab.value("SELECT credits FROM provider_accounts WHERE id = $1", account.id)
        assert mirror == Decimal(balance)
        # ... and reading the balance does not subtract anything twice.
        await lab.container.services.providers.sync_balance(account.id)
        mirror = await lab.value("SELECT credits FROM provider_accounts WHERE id = $1", account.id)
        assert mirror == Decimal(balance)
