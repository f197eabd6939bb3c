"""Every committed event reaches every webhook that wants it, whoever is killed and when."""

import os
import random
from collections.abc import AsyncIterator

import pytest

from pixsim7_backend.domain import User
from pixsim7_backend.shared.config import Settings
from tests.receiver import Receiver, running_receiver
from tests.workers.lab import Lab

OPEN = "SELECT count(*) FROM webhook_deliveries WHERE status <> 'delivered'"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as running:
        yield running


@pytest.fixture
def settings(settings: Settings, receiver: Receiver) -> Settings:
    return settings.model_copy(update={"allow_private_webhooks": frozenset({receiver.origin})})


async def history(lab: Lab, receiver: Receiver, user: User) -> None:
    """What was heard, without repetitions, is exactly what happened."""
    happened = await lab.sql(
        "SELECT xid::text || '-' || id AS position, type FROM events"
        " WHERE user_id = $1 AND type <> 'webhook:created' AND type NOT LIKE 'user:%'",
        user.id,
    )
    heard = receiver.by_id()
    messages = [requests[0].message["data"] for requests in heard.values()]
    told = [(data["id"], data["type"]) for data in messages if data["type"] != "webhook:created"]
    assert sorted(told) == sorted((row["position"], row["type"]) for row in happened)
    for requests in heard.values():
        assert len({request.body for request in requests}) == 1


@pytest.mark.parametrize("point", ["outbox.after_take", "outbox.after_send"])
async def test_a_kill_at_each_point(lab: Lab, receiver: Receiver, point: str) -> None:
    user = await lab.user()
    account = await lab.account("key-1")
    _, secret = await lab.container.services.webhooks.create(user, receiver.url())
    await lab.jobs(user)
    await lab.doomed_worker(f"{point}=kill:2")

    await lab.worker(is_started=False)
    await lab.all_ended()
    await lab.until(OPEN, 0)

    await history(lab, receiver, user)
    await lab.check([account])
    assert all(request.verified_by(secret) for request in receiver.requests)
    repeated = [found for found in receiver.by_id().values() if len(found) > 1]
    # Sent and not written down: told once more under the same id. Not sent: nothing is repeated.
    assert bool(repeated) == (point == "outbox.after_send")


async def test_a_kill_in_the_middle_of_many(lab: Lab, receiver: Receiver) -> None:
    user = await lab.user()
    account = await lab.account("key-1")
    await lab.container.services.webhooks.create(user, receiver.url())
    jobs = await lab.jobs(user, 20)
    worker = await lab.worker(is_started=False)
    seed = int(os.environ.get("PX7_TEST_SEED", "0")) or random.randrange(1, 2**31)
    print(f"PX7_TEST_SEED={seed}")  # noqa: T201 - pytest shows it when the test fails
    wanted = random.Random(seed).randint(5, 60)
    await receiver.wait_for(lambda: len(receiver.requests) >= wanted, 90)
    await worker.kill()

    await lab.worker(is_started=False)
    await lab.all_ended()
    await lab.until(OPEN, 0)

    await history(lab, receiver, user)
    await lab.check([account])
    first = [found[0].message["data"] for found in receiver.by_id().values()]
    stories = [[data["type"] for data in first if data["job_id"] == str(job.id)] for job in jobs]
    # The one submission that was on the wire at the kill may end with a person.
    doubtful = [story for story in stories if "job:attention" in story]
    assert len(doubtful) <= 1, doubtful
    for story in stories:
        end = "job:attention" if story in doubtful else "job:completed"
        assert story.index("job:created") < story.index(end), story


async def test_dead_receivers_hold_up_neither_jobs_nor_the_living(
    lab: Lab, receiver: Receiver
) -> None:
    dead, alive = await lab.user(), await lab.user()
    account = await lab.account("key-1")
    receiver.silent.add("/silent")
    for _ in range(10):
        await lab.container.services.webhooks.create(dead, receiver.url("/silent"))
    await lab.container.services.webhooks.create(alive, receiver.url("/alive"), ["job:completed"])
    await lab.jobs(dead, 5)
    await lab.worker(is_started=False)
    await receiver.wait_for(lambda: len(receiver.at("/silent")) >= 5, 60)
    await lab.jobs(alive, 5)
    await receiver.wait_for(lambda: len(receiver.at("/alive")) == 5, 60)
    await lab.all_ended()
    await lab.check([account])
