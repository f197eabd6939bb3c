"""Runs the simulator: by hand, as a child process, or inside a test's event loop."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from pixsim7_simulator.app import WORLD, create_app
from pixsim7_simulator.clock import Clock
from pixsim7_simulator.config import DEMO_ACCOUNTS, AccountSpec, Config, Settings
from pixsim7_simulator.dialects.pixverse import PixVerse
from pixsim7_simulator.faults import Rule
from pixsim7_simulator.world import World


class ControlClient:
    """Python names for the control API; works against any simulator, in this process or another."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url
        self.admin_url = f"{url}/control"
        self.pixverse_url = url + PixVerse.prefix
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def call(self, method: str, path: str, body: object = None, **query: object) -> Any:
        """One control request; raises with the server's explanation when it is refused."""
        params = {name: str(value) for name, value in query.items() if value is not None}
        async with (
            aiohttp.ClientSession(headers=self._headers) as session,
            session.request(method, self.admin_url + path, json=body, params=params) as answer,
        ):
            content = await answer.json()
            if answer.status >= 400:
                raise ValueError(f"{method} /control{path}: {answer.status} {content}")
            return content

    async def reset(self) -> None:
        await self.call("POST", "/reset")

    async def put_account(self, key: str, **fields: object) -> dict[str, Any]:
        return dict(await self.call("POST", "/accounts", {"key": key, **fields}))

    async def patch_account(self, key: str, **fields: object) -> dict[str, Any]:
        return dict(await self.call("PATCH", f"/accounts/{key}", fields))

    async def account(self, key: str) -> dict[str, Any]:
        return next(
            dict(account)
            for account in await self.call("GET", "/accounts")
            if account["key"] == key
        )

    async def set(self, **settings: object) -> dict[str, Any]:
        return dict(await self.call("PATCH", "/settings", settings))

    async def fault(
        self, action: dict[str, object] | list[dict[str, object]], **match: object
    ) -> str:
        """Install one rule; a list of actions applies them together."""
        field = "actions" if isinstance(action, list) else "action"
        installed = await self.call("POST", "/faults", {"match": match, field: action})
        return str(installed["ids"][0])

    async def faults(self, rules: Iterable[dict[str, object]]) -> list[str]:
        return list((await self.call("POST", "/faults", list(rules)))["ids"])

    async def unused_faults(self) -> list[str]:
        return list((await self.call("GET", "/faults"))["unused"])

    async def clear_faults(self) -> None:
        await self.call("DELETE", "/faults")

    async def requests(self, **filters: object) -> list[dict[str, Any]]:
        return list(await self.call("GET", "/journal", **filters))

    async def charges(self, **filters: object) -> list[dict[str, Any]]:
        return list(await self.call("GET", "/charges", **filters))

    async def charges_by_trace(self) -> dict[str, dict[str, Any]]:
        return {row["trace_id"]: row for row in await self.call("GET", "/charges/by-trace")}

    async def violations(self, **filters: object) -> list[dict[str, Any]]:
        return list(await self.call("GET", "/violations", **filters))

    async def deliveries(self, **filters: object) -> list[dict[str, Any]]:
        return list(await self.call("GET", "/deliveries", **filters))

    async def slots(self, **filters: object) -> list[dict[str, Any]]:
        return list(await self.call("GET", "/slots", **filters))

    async def concurrency(self, key: str) -> dict[str, int]:
        return dict((await self.call("GET", "/concurrency"))[key])

    async def generations(self, **filters: object) -> list[dict[str, Any]]:
        return list(await self.call("GET", "/generations", **filters))

    async def finish(self, video_id: int) -> dict[str, Any]:
        return dict(await self.call("POST", f"/generations/{video_id}/finish"))

    async def sha256(self, video_id: int) -> str:
        return str((await self.call("GET", f"/generations/{video_id}/sha256"))["sha256"])

    async def advance(self, seconds: float) -> float:
        """Move the simulated time forward; everything due has happened when this returns."""
        return float((await self.call("POST", "/clock", {"advance": seconds}))["now"])


class RunningSimulator(ControlClient):
    """An in-process simulator, with its world at hand."""

    def __init__(self, url: str, world: World) -> None:
        super().__init__(url, world.settings.control_token)
        self.world = world
        self.clock = world.clock


@contextlib.asynccontextmanager
async def running_simulator(
    *,
    accounts: Iterable[AccountSpec] = DEMO_ACCOUNTS,
    rules: Iterable[Rule] = (),
    journal_path: Path | None = None,
    clock: Clock | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    **settings: Any,
) -> AsyncIterator[RunningSimulator]:
    """Serve in this event loop on a free port; quick and tiny unless `settings` say otherwise."""
    chosen = Settings.model_validate({"generation_seconds": 0.05, "media": "tiny", **settings})
    config = Config(
        accounts=tuple(accounts), settings=chosen, rules=tuple(rules), journal_path=journal_path
    )
    async with _served(create_app(config, clock=clock), host, port) as (app, url):
        yield RunningSimulator(url, app[WORLD])


@contextlib.asynccontextmanager
async def spawned_simulator(config: Config | None = None) -> AsyncIterator["SpawnedSimulator"]:
    """Serve in a process of its own, as a witness that is not hit by our crashes."""
    config = config or Config()
    command = [
        sys.executable,
        "-m",
        "pixsim7_simulator",
        "--port",
        "0",
        "--ready-json",
        "--config",
        "-",
    ]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the simulator has no pipes")
        process.stdin.write(config.model_dump_json().encode())
        process.stdin.write_eof()
        line = await process.stdout.readline()
        if not line:
            raise RuntimeError("the simulator did not start; its own message is on stderr")
        ready = json.loads(line)
        yield SpawnedSimulator(ready["url"], config.settings.control_token, process)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


class SpawnedSimulator(ControlClient):
    def __init__(self, url: str, token: str | None, process: asyncio.subprocess.Process) -> None:
        super().__init__(url, token)
        self.process = process

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        os.kill(self.process.pid, signal.SIGKILL)
        await self.process.wait()


async def serve(
    host: str = "127.0.0.1",
    port: int = 8765,
    config: Config | None = None,
    *,
    ready_json: bool = False,
) -> None:
    """Serve until SIGINT or SIGTERM, and say on stdout what is served."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with _served(create_app(config), host, port) as (app, url):
        print(json.dumps({"url": url}) if ready_json else _banner(url, app[WORLD]), flush=True)  # noqa: T201
        await stop.wait()


@contextlib.asynccontextmanager
async def _served(
    app: web.Application, host: str, port: int
) -> AsyncIterator[tuple[web.Application, str]]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=4096)
        await site.start()
        bound = runner.addresses[0][1]
        yield app, f"http://{f'[{host}]' if ':' in host else host}:{bound}"
    finally:
        await runner.cleanup()


def _banner(url: str, world: World) -> str:
    lines = [
        "PixSim7 provider simulator",
        f"  PixVerse   {url}{PixVerse.prefix}",
        f"  control    {url}/control",
        f"  journal    {world.config.journal_path or 'in memory'}",
        "  accounts",
    ]
    for account in world.accounts:
        slots = f"{account.concurrent} at once"
        lines.append(f"    API-KEY {account.key:<20} {account.balance:>8} credits  {slots}")
    return "\n".join(lines)
