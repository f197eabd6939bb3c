"""The control API and the command line."""

import json
from pathlib import Path
from unittest.mock import AsyncMock

import aiohttp
import pytest

from pixsim7_simulator import RunningSimulator, cli, running_simulator
from pixsim7_simulator.config import DEMO_ACCOUNTS, AccountSpec
from tests.simulator.conftest import KEY, OTHER_KEY, TEXT_COST, Vendor


async def test_accounts_can_be_made_changed_and_removed(
    sim: RunningSimulator, session: aiohttp.ClientSession
) -> None:
    await sim.put_account("sk-new", credits=50, concurrent=1)
    assert (await Vendor(sim, session, "sk-new").text()).code == 0
    changed = await sim.patch_account("sk-new", monthly=7, templates=[3])
    assert (changed["balance"], changed["running"]) == (50 - TEXT_COST + 7, 1)
    assert changed["templates"] == [3]
    await sim.call("DELETE", "/accounts/sk-new")
    assert [account["key"] for account in await sim.call("GET", "/accounts")] == [KEY, OTHER_KEY]
    with pytest.raises(ValueError, match="404"):
        await sim.patch_account("sk-new", monthly=1)


async def test_reset_restores_the_beginning(sim: RunningSimulator, vendor: Vendor) -> None:
    await sim.set(media="real", generation_seconds=1)
    await sim.fault({"kind": "drop_before"}, endpoint="pixverse.upload.*")
    await vendor.video()
    await sim.put_account("sk-new")
    await sim.reset()
    assert await sim.generations() == []
    assert await sim.charges() == []
    assert (await sim.call("GET", "/faults"))["rules"] == []
    assert (await sim.call("GET", "/settings"))["media"] == "tiny"
    assert (await sim.call("GET", ""))["accounts"] == [KEY, OTHER_KEY]
    assert await vendor.balance() == 1000


async def test_generations_are_listed_and_can_be_finished(
    sim: RunningSimulator, vendor: Vendor, other: Vendor
) -> None:
    video = await vendor.video()
    await other.video()
    (listed,) = await sim.generations(account=KEY, state="processing")
    assert (listed["id"], listed["cost"], listed["holds_slot"]) == (video, TEXT_COST, True)
    finished = await sim.finish(video)
    assert (finished["state"], finished["outcome"]) == ("finished", "done")
    assert await vendor.status(video) == 1


async def test_bad_control_requests_are_explained(sim: RunningSimulator) -> None:
    with pytest.raises(ValueError, match="generation_seconds"):
        await sim.set(generation_seconds=-1)
    with pytest.raises(ValueError, match="nonsense"):
        await sim.set(nonsense=1)
    with pytest.raises(ValueError, match="kind"):
        await sim.fault({"kind": "explode"})
    with pytest.raises(ValueError, match="exactly one"):
        await sim.faults([{"match": {}}])
    with pytest.raises(ValueError, match="no column"):
        await sim.charges(colour="red")
    with pytest.raises(ValueError, match="404"):
        await sim.sha256(1)


async def test_a_control_token_is_asked_for(session: aiohttp.ClientSession) -> None:
    async with running_simulator(control_token="open") as sim:
        async with session.get(sim.admin_url) as answer:
            assert answer.status == 401
        assert (await sim.call("GET", ""))["unused_faults"] == []


async def test_the_clock_moves_by_command(sim: RunningSimulator, vendor: Vendor) -> None:
    video = await vendor.video()
    before = sim.clock.now()
    assert await sim.advance(5) == before + 5
    assert await vendor.status(video) == 1


def test_the_command_line_builds_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve = AsyncMock()
    monkeypatch.setattr(cli, "serve", serve)
    file = tmp_path / "sim.json"
    file.write_text(json.dumps({"settings": {"media": "tiny"}}))
    assert cli.main([]) == 0
    assert serve.await_args is not None
    assert serve.await_args.args[:2] == ("127.0.0.1", 8765)
    assert serve.await_args.args[2].accounts == DEMO_ACCOUNTS
    options = ["--port", "0", "--config", str(file), "--account", "key=a,credits=10,concurrent=2"]
    assert cli.main([*options, "--generation-seconds", "2", "--set", "queue_seconds=1"]) == 0
    config = serve.await_args.args[2]
    assert config.accounts == (AccountSpec(key="a", credits=10, concurrent=2),)
    assert config.settings.media == "tiny"
    assert (config.settings.generation_seconds, config.settings.queue_seconds) == (2, 1)


@pytest.mark.parametrize(
    "options", [["--account", "credits=1"], ["--account", "x"], ["--set", "nope=1"]]
)
def test_the_command_line_refuses_nonsense(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(options)
    assert caught.value.code == 2
    assert "pixsim7 simulate:" in capsys.readouterr().err
