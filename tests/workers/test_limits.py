"""Many jobs, several accounts, two workers: no limit is ever exceeded, as the vendor sees it."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from pixsim7_backend.shared.config import Settings
from pixsim7_simulator import running_simulator
from tests.conftest import allowing
from tests.workers.conftest import quick
from tests.workers.lab import Lab, open_lab
from tests.workers.processes import Zygote

JOBS = 200
GENERATION_S = 0.5
"""Long enough that jobs overlap at the vendor even where sending one takes a while."""


@pytest.fixture
async def lab(settings: Settings, zygote: Zygote, tmp_path: Path) -> AsyncIterator[Lab]:
    """Nobody dies here, and nobody may be taken for dead: one who waited a second for a processor
    would be put in doubt, its slot given up while the vendor still works, and a person asked."""
    unhurried = {"task_lease_s": 30.0, "reservation_lease_s": 60.0, "doubt_deadline_s": 600.0}
    async with running_simulator(accounts=(), generation_seconds=GENERATION_S) as witness:
        own = quick(allowing(settings, witness.url)).model_copy(update=unhurried)
        async with open_lab(own, witness, zygote, tmp_path) as opened:
            yield opened


async def test_two_workers_never_exceed_the_limits_of_three_accounts(lab: Lab) -> None:
    user = await lab.user()
    accounts = [await lab.account(f"key-{limit}", limit=limit) for limit in (1, 2, 5)]
    jobs = await lab.jobs(user, JOBS)
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
