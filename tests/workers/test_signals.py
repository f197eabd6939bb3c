"""SIGTERM drains; a worker stopped past its lease comes back as a zombie that changes nothing."""

import signal

from tests.workers.lab import Lab


async def test_sigterm_under_load_drains(lab: Lab) -> None:
    user = await lab.user()
    accounts = [await lab.account(f"key-{number}", limit=4) for number in (1, 2)]
    await lab.jobs(user, 40)
    worker = await lab.worker(is_started=False)
    await lab.until(
        "SELECT count(*) >= 8 FROM provider_submissions WHERE accepted_at > '-infinity'", True
    )

    worker.send(signal.SIGTERM)
    assert await worker.wait() == 0, worker.said()
    # What it was doing it has finished: no lease of its own is left, no call without an outcome.
    assert await lab.value("SELECT count(*) FROM pgqueuer WHERE status = 'picked'") == 0
    assert "submitting" not in await lab.states()
    assert "in_doubt" not in await lab.states()
    assert await lab.value("SELECT count(*) FROM assets WHERE sync_status = 'downloading'") == 0

    await lab.worker(is_started=False)
    await lab.all_ended()
    await lab.check(accounts)
    assert await lab.value("SELECT count(*) FROM jobs WHERE status = 'completed'") == 40


async def test_a_zombie_that_had_not_sent_changes_nothing(lab: Lab) -> None:
    """Stopped right before its intent; meanwhile another has sent the submission."""
    user = await lab.user()
    account = await lab.account("key-1", limit=1)
    [job] = await lab.jobs(user)
    zombie = await lab.worker(is_started=False, PIXSIM7_FAIL_POINTS="submit.before_intent=stop:1")
    await lab.until("SELECT fence FROM provider_submissions", 1)
    await zombie.stopped()

    await lab.worker(is_started=False)
    await lab.all_ended()
    before = await lab.sql("SELECT * FROM provider_submissions")
    assert before[0]["fence"] == 2
    zombie.send(signal.SIGCONT)
    zombie.send(signal.SIGTERM)
    assert await zombie.wait() == 0, zombie.said()

    assert await lab.sql("SELECT * FROM provider_submissions") == before
    assert await lab.value("SELECT status FROM jobs WHERE id = $1", job.id) == "completed"
    await lab.check([account])


async def test_a_zombie_that_prepares_does_not_withdraw_what_another_prepares(lab: Lab) -> None:
    """Two owners of one reserved submission, one of them too late: the live one goes on."""
    user = await lab.user()
    account = await lab.account("key-1", limit=1)
    [job] = await lab.jobs(user)
    zombie = await lab.worker(is_started=False, PIXSIM7_FAIL_POINTS="submit.before_intent=stop:1")
    await zombie.stopped()
    second = await lab.worker(is_started=False, PIXSIM7_FAIL_POINTS="submit.before_intent=stop:1")
    await second.stopped()
    assert await lab.value("SELECT fence FROM provider_submissions") == 2

    zombie.send(signal.SIGCONT)
    zombie.send(signal.SIGTERM)
    assert await zombie.wait() == 0, zombie.said()
    assert (await lab.states()) == {"reserved": 1}
    second.send(signal.SIGCONT)
    await lab.all_ended()

    await lab.check([account])
    assert await lab.value("SELECT status FROM jobs WHERE id = $1", job.id) == "completed"
    assert await lab.value("SELECT count(*) FROM provider_submissions") == 1


async def test_the_testimony_of_a_zombie_is_heard(lab: Lab) -> None:
    """Stopped with the answer in hand, past lease and doubt: its word still settles the job."""
    user = await lab.user()
    account = await lab.account("key-1", limit=1)
    [job] = await lab.jobs(user)
    zombie = await lab.worker(is_started=False, PIXSIM7_FAIL_POINTS="submit.after_body=stop:1")
    await zombie.stopped()
    await lab.worker(is_started=False)
    await lab.until("SELECT attention_code FROM jobs WHERE id = $1", "outcome_unknown", job.id)

    zombie.send(signal.SIGCONT)

    await lab.until("SELECT status FROM jobs WHERE id = $1", "completed", job.id)
    await lab.all_ended()
    await lab.check([account])
    assert await lab.value("SELECT attention_code FROM jobs WHERE id = $1", job.id) is None


async def test_a_zombie_fetcher_changes_nothing(lab: Lab) -> None:
    user = await lab.user()
    account = await lab.account("key-1", limit=1)
    await lab.jobs(user)
    zombie = await lab.worker(is_started=False, PIXSIM7_FAIL_POINTS="fetch.before_t7=stop:1")
    await zombie.stopped()

    await lab.worker(is_started=False)
    await lab.all_ended()
    asset = "SELECT sync_status, sha256, fetch_attempts, downloaded_at FROM assets"
    before = await lab.sql(asset)
    zombie.send(signal.SIGCONT)
    zombie.send(signal.SIGTERM)
    assert await zombie.wait() == 0, zombie.said()

    assert await lab.sql(asset) == before
    assert await lab.value("SELECT count(*) FROM events WHERE type = 'asset:downloaded'") == 1
    await lab.check([account])
