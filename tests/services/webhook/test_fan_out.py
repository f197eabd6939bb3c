"""Which event becomes a delivery to whom, in the transaction of the event."""

import asyncio

import pytest

from tests.services.webhook.conftest import Lab


async def kinds(lab: Lab) -> list[tuple[str, str]]:
    rows = await lab.sql(
        "SELECT w.description, e.type FROM webhook_deliveries d"
        " JOIN webhooks w ON w.id = d.webhook_id JOIN events e ON e.id = d.event_id"
        " WHERE e.type NOT LIKE 'webhook:%' AND e.type NOT LIKE 'user:%' ORDER BY 1, 2"
    )
    return [(row[0], row[1]) for row in rows]


async def test_each_webhook_gets_what_it_asked_for(lab: Lab) -> None:
    ada, bob, admin = [await lab.make.user(role) for role in ("user", "user", "admin")]
    await lab.webhook(ada, "job:created", "job:failed", description="ada filtered")
    await lab.webhook(ada, "*", description="ada all")
    await lab.webhook(bob, "*", description="bob all")
    await lab.webhook(admin, "*", description="admin own")
    await lab.webhook(admin, "job:created", description="everybody", is_for_everybody=True)

    await lab.publish(ada, "job:created")
    await lab.publish(ada, "job:completed")
    await lab.publish(admin, "job:created")
    await lab.publish(None, "job:created")  # the house's

    assert await kinds(lab) == [
        ("ada all", "job:completed"),
        ("ada all", "job:created"),
        ("ada filtered", "job:created"),
        ("admin own", "job:created"),
        ("everybody", "job:created"),
        ("everybody", "job:created"),
        ("everybody", "job:created"),
    ]


async def test_nothing_for_the_disabled_the_deleted_and_the_shut_out(lab: Lab) -> None:
    ada, bob, admin, other = [
        await lab.make.user(role) for role in ("user", "user", "admin", "admin")
    ]
    disabled, _ = await lab.webhook(ada)
    deleted, _ = await lab.webhook(ada)
    await lab.webhook(bob)
    await lab.webhook(admin, "*", is_for_everybody=True)
    await lab.services.webhooks.update(disabled.id, ada, {"is_enabled": False})
    await lab.services.webhooks.delete(deleted.id, ada)
    await lab.services.users.update_user(bob.id, {"is_active": False}, other)
    await lab.services.users.update_user(admin.id, {"role": "user"}, other)
    await lab.sql("DELETE FROM webhook_deliveries")

    await lab.publish(ada)
    await lab.publish(bob)

    assert await kinds(lab) == []


async def test_what_was_promised_to_an_administrator_is_not_sent_to_who_is_none(lab: Lab) -> None:
    ada, admin, other = [await lab.make.user(role) for role in ("user", "admin", "admin")]
    webhook, _ = await lab.webhook(admin, is_for_everybody=True)
    await lab.publish(ada)
    await lab.services.users.update_user(admin.id, {"role": "user"}, other)

    await lab.send(webhook)

    assert lab.receiver.requests == []


async def test_an_administrator_hears_of_the_work_of_others_and_not_their_words(lab: Lab) -> None:
    ada, admin = await lab.make.user(), await lab.make.user("admin")
    webhook, _ = await lab.webhook(admin, "job:created", is_for_everybody=True)
    await lab.make.pixverse_account()
    for person in (ada, admin):
        await lab.make.job(person, name=f"Secret of {person.username}")

    await lab.send(webhook)

    of_ada, of_admin = [request.message["data"]["data"] for request in lab.receiver.requests]
    assert (of_ada["status"], of_ada["job"]["status"]) == ("pending", "pending")
    assert "Secret" not in str(of_ada)
    assert of_admin["name"] == of_admin["job"]["name"] == f"Secret of {admin.username}"
    shown = await lab.services.webhooks.list_deliveries(webhook.id, admin)
    assert str(ada.username) not in str([told.event.data for told in shown.items])
    audit = await lab.services.audit.list_events(admin, None, 50, type="job:created")
    assert [event.data.get("name") for event in audit.items] == [of_admin["name"], None]


async def test_a_rolled_back_event_is_not_delivered(lab: Lab) -> None:
    ada = await lab.make.user()
    await lab.webhook(ada)

    async def publish_and_fail() -> None:
        async with lab.container.database.transaction():
            await lab.publish(ada)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await publish_and_fail()
    assert await kinds(lab) == []


async def test_deliveries_and_their_wake_up_commit_with_the_event(lab: Lab) -> None:
    ada = await lab.make.user()
    webhook, _ = await lab.webhook(ada)
    await lab.sql("DELETE FROM pgqueuer")
    async with lab.container.database.transaction() as tx:
        for _ in range(3):
            tx.publish("job:created", user_id=ada.id)
    assert len(await lab.deliveries(webhook, ada)) == 3
    [task] = await lab.sql("SELECT entrypoint, convert_from(payload, 'utf8') FROM pgqueuer")
    assert tuple(task) == ("send_webhooks", str(webhook.id))


async def test_events_and_a_deletion_do_not_wait_for_each_other(lab: Lab) -> None:
    """The commit of a job must neither fail nor wait because somebody deletes a webhook."""
    ada = await lab.make.user()
    webhook, _ = await lab.webhook(ada)
    deleted = asyncio.Event()
    published = asyncio.Event()

    async def delete() -> None:
        async with lab.container.database.transaction():
            await lab.services.webhooks.delete(webhook.id, ada)
            deleted.set()
            await published.wait()

    deletion = asyncio.create_task(delete())
    await deleted.wait()
    async with asyncio.timeout(3):
        await lab.publish(ada)
    published.set()
    await deletion
    assert [row[0] for row in await lab.sql("SELECT status FROM webhooks")] == ["deleted"]
    await lab.send(webhook)
    assert lab.receiver.requests == []
