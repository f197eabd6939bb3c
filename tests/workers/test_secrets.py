"""No provider credential in logs, errors, events or any table, whatever goes wrong."""

from tests.workers.lab import Lab

CANARY = "canary7f3c9e21d4b8a6"
"""Not of the shape that the log's filter knows: it must not come to that."""


async def test_a_credential_shows_up_nowhere(lab: Lab) -> None:
    user = await lab.user()
    account = (await lab.account(CANARY, name="ours")).id
    trouble: list[dict[str, object]] = [
        {"kind": "refuse", "err_code": 500063, "message": f"refused for {CANARY}"},
        {"kind": "refuse", "err_code": 99999, "message": f"odd answer to {CANARY}"},
        {"kind": "accept_then_drop"},
        {"kind": "garbage", "what": "html"},
        {"kind": "status", "status": 502, "when": "before"},
    ]
    for action in trouble:
        await lab.simulator.fault(action, endpoint="pixverse.video.text", times=1)
    failing: dict[str, object] = {"kind": "status", "status": 500}
    await lab.simulator.fault(failing, endpoint="pixverse.video.result", times=2)
    await lab.simulator.fault(failing, endpoint="media.result", times=1)
    worker = await lab.worker(is_started=False, PIXSIM7_LOG_LEVEL="debug")
    for _ in range(6):
        await lab.jobs(user)
        await lab.all_ended(fetched=False)
        await lab.container.services.accounts.end_cooldown(account)
    # A wrong key: the vendor says so, and may repeat it.
    await lab.simulator.patch_account(CANARY, state="disabled")
    await lab.jobs(user)
    await lab.until("SELECT status FROM provider_accounts WHERE id = $1", "error", account)

    assert "task_failed" not in worker.said()
    await worker.kill()
    assert CANARY not in worker.said()
    assert await lab.simulator.requests(account=CANARY), "the key was never used"
    for table, column in await lab.sql(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'public'"
    ):
        found = await lab.value(
            f'SELECT count(*) FROM "{table}" WHERE position($1 IN "{column}"::text) > 0', CANARY
        )
        assert not found, f"the key is in {table}.{column}"
