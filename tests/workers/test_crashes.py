"""kill -9 at a random moment and at every named point; then another worker. Nothing is lost, nothing
is paid twice, nothing stays held, and it takes the lease, not minutes."""

import random
import time

import pytest

from tests.workers.lab import PROMPT, Lab

LOCAL_PICTURE = {"prompt": "sunset over mountains", "quality": "360p"}


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_kill_in_the_middle_of_a_hundred_jobs(lab: Lab, seed: int) -> None:
    user = await lab.user()
    accounts = [await lab.account(f"key-{number}", limit=4) for number in (1, 2)]
    jobs = await lab.jobs(user, 100)
    worker = await lab.worker(is_started=False)
    wanted = random.Random(seed).randint(5, 40)
    await lab.until(
        "SELECT count(*) >= $1 FROM provider_submissions WHERE accepted_at IS NOT NULL",
        True,
        wanted,
    )
    await worker.kill()

    await lab.worker(is_started=False)
    await lab.all_ended(timeout_s=60)

    await lab.check(accounts)
    rows = await lab.sql("SELECT status, attention_code FROM jobs")
    assert len(rows) == len(jobs)
    doubtful = [row for row in rows if row["attention_code"] is not None]
    assert all(row["status"] == "completed" or row in doubtful for row in rows)
    # PixVerse cannot be asked what became of a lost answer: at most the one submission of each
    # account that was on the wire ends with a person.
    assert len(doubtful) <= len(accounts)


@pytest.mark.parametrize(
    ("point", "charges", "ends"),
    [
        # Before the intent nothing was sent; the same submission is sent by the next worker.
        ("reserve.after_slot", 0, "completed"),
        ("reserve.after_commit", 0, "completed"),
        ("submit.before_intent", 0, "completed"),
        # The intent is durable, the outcome unknown: PixVerse is not asked to do it again.
        ("submit.after_intent", 0, "attention"),
        ("submit.after_body", 1, "attention"),
        # The answer was written down before it was applied.
        ("submit.after_evidence", 1, "completed"),
        ("submit.after_accept", 1, "completed"),
        ("poll.after_status", 1, "completed"),
        ("poll.before_t6", 1, "completed"),
        ("poll.after_t6", 1, "completed"),
        ("fetch.open", 1, "completed"),
        ("fetch.mid", 1, "completed"),
        ("fetch.after_fsync", 1, "completed"),
        ("fetch.after_link", 1, "completed"),
        ("fetch.before_t7", 1, "completed"),
        ("fetch.after_t7", 1, "completed"),
    ],
)
async def test_a_kill_at_a_named_point(lab: Lab, point: str, charges: int, ends: str) -> None:
    user = await lab.user()
    account = await lab.account("key-1", limit=1)
    [job] = await lab.jobs(user)
    await lab.doomed_worker(f"{point}=kill:1")
    assert len(await lab.simulator.charges_by_trace()) == charges

    await lab.worker(is_started=False)
    recovered_in = await ended(lab)

    await lab.check([account])
    row = (await lab.sql("SELECT * FROM jobs WHERE id = $1", job.id))[0]
    assert (row["attention_code"] or row["status"]) == (
        "outcome_unknown" if ends == "attention" else "completed"
    )
    if ends == "completed":
        assert await lab.value("SELECT count(*) FROM provider_submissions") == 1
        assert len(await lab.simulator.charges_by_trace()) == 1
    assert recovered_in < lab.settings.reservation_lease_s + 10


@pytest.mark.parametrize("point", ["submit.after_intent", "submit.after_body"])
async def test_a_keyed_provider_is_asked_again_under_the_same_key(lab: Lab, point: str) -> None:
    """The built-in renderer knows its keys, so nobody has to decide anything."""
    user = await lab.user()
    [job] = await lab.jobs(
        user, provider_id="local", operation_type="text_to_image", params=LOCAL_PICTURE
    )
    await lab.doomed_worker(f"{point}=kill:1")

    await lab.worker(is_started=False, PIXSIM7_DOUBT_DEADLINE_S="30")
    recovered_in = await ended(lab)

    await lab.check()
    assert await lab.value("SELECT status FROM jobs WHERE id = $1", job.id) == "completed"
    assert await lab.value("SELECT count(*) FROM provider_submissions") == 1
    assert recovered_in < lab.settings.reservation_lease_s + 10


@pytest.mark.parametrize("point", ["reap.after_select", "reap.after_update"])
async def test_a_kill_of_the_one_who_recovers(lab: Lab, point: str) -> None:
    user = await lab.user()
    account = await lab.account("key-1", limit=1)
    await lab.jobs(user)
    await lab.doomed_worker("submit.after_intent=kill:1")
    await lab.sql("UPDATE provider_submissions SET state_deadline_at = now()")
    await lab.doomed_worker(f"{point}=kill:1")

    await lab.worker(is_started=False)
    assert await ended(lab) < lab.settings.reservation_lease_s + 10

    await lab.check([account])


@pytest.mark.parametrize("point", ["prepare.before_upload", "prepare.after_upload"])
async def test_a_kill_while_inputs_are_uploaded(lab: Lab, point: str) -> None:
    user = await lab.user()
    account = await lab.account("key-1", limit=1)
    picture = await lab.picture(user)
    [job] = await lab.jobs(
        user, operation_type="image_to_video", params={**PROMPT, "image": str(picture.id)}
    )
    await lab.doomed_worker(f"{point}=kill:1")
    assert await lab.simulator.charges_by_trace() == {}

    await lab.worker(is_started=False)
    assert await ended(lab) < lab.settings.reservation_lease_s + 10

    await lab.check([account])
    assert await lab.value("SELECT status FROM jobs WHERE id = $1", job.id) == "completed"
    assert await lab.value("SELECT count(*) FROM provider_submissions") == 1


async def test_a_job_that_kills_its_worker_does_not_stop_the_others(lab: Lab) -> None:
    user = await lab.user()
    await lab.account("key-1", limit=1)
    await lab.jobs(user, 4)
    for _ in range(2):
        await lab.doomed_worker("submit.before_intent=kill:1")

    await lab.worker(is_started=False)
    await lab.all_ended()

    await lab.check()
    assert await lab.value("SELECT count(*) FROM jobs WHERE status = 'completed'") == 4


async def ended(lab: Lab) -> float:
    """Seconds until everything has come to rest, from now."""
    started = time.monotonic()
    await lab.all_ended(timeout_s=30)
    return time.monotonic() - started
