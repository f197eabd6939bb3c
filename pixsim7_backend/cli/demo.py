"""`pixsim7 demo`: from a prompt to a film, through the real API, worker and library."""

import asyncio
import re
import secrets
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from pixsim7_backend.bootstrap.container import Container
from pixsim7_backend.cli.client import ApiClient, api_client
from pixsim7_backend.cli.output import CommandFailed, out
from pixsim7_backend.cli.serving import Server
from pixsim7_backend.domain.user import User
from pixsim7_backend.domain.vocabulary import UserRole
from pixsim7_backend.shared.config import Settings

DEMO_USERNAME = "demo"
DEMO_EMAIL = "demo@localhost"


async def run_demo(settings: Settings, prompt: str, params: dict[str, Any]) -> Path:
    """Start everything on a free port, make one film, stop everything; returns the film's path."""
    container = await Container.open(settings.model_copy(update={"port": 0}))
    try:
        password = secrets.token_urlsafe(18)
        await _demo_user(container, password)
        server = Server(container)
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        running = asyncio.create_task(server.run(ready.set_result))
        try:
            started: set[asyncio.Future[Any]] = {ready, running}
            await asyncio.wait(started, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                await running
                raise CommandFailed("The server did not start.")
            async with api_client(ready.result()) as api:
                return await _make_film(api, settings, password, prompt, params)
        finally:
            server.stop()
            await running
    finally:
        await container.close()


async def _demo_user(container: Container, password: str) -> User:
    """A person of the demo's own, with a password that lives for this run only."""
    users = container.services.users
    found = await users.find_by_login(DEMO_EMAIL)
    if found is None:
        return await users.create_user(DEMO_EMAIL, DEMO_USERNAME, password, UserRole.USER)
    return await users.set_password(found.id, password)


async def _make_film(
    api: ApiClient, settings: Settings, password: str, prompt: str, params: dict[str, Any]
) -> Path:
    login = await api.call("POST", "/auth/login", body={"email": DEMO_EMAIL, "password": password})
    api.token = login["access_token"]
    body = {
        "provider_id": "local",
        "operation_type": "text_to_video",
        "params": {"prompt": prompt, **params},
    }
    job = await api.call("POST", "/jobs", body=body)
    job = await follow_job(api, job, label=prompt)
    asset = await wait_for_file(api, job["asset_id"])
    folder = settings.data_dir / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{_slug(prompt)}.mp4"
    await api.download(f"/assets/{asset['id']}/file", path)
    await api.call("POST", "/auth/logout")
    return path


async def follow_job(api: ApiClient, job: dict[str, Any], *, label: str) -> dict[str, Any]:
    """Show a job's progress until it ends; raises `CommandFailed` when it fails."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=out, transient=not out.is_terminal) as progress:
        task = progress.add_task(_short(label), total=1.0, state="waiting")
        while True:
            job = await api.call("GET", f"/jobs/{job['id']}")
            state = job["waiting_reason"] or job["status"]
            progress.update(task, completed=job["progress"] or 0.0, state=state)
            if job["attention_code"]:
                raise CommandFailed(f"The job needs a decision: {job['attention_message']}")
            if job["status"] == "completed":
                progress.update(task, completed=1.0, state="completed")
                return dict(job)
            if job["status"] in ("failed", "cancelled"):
                message = job["error_message"] or "no reason given"
                raise CommandFailed(f"The job {job['status']}: {message}")
            await asyncio.sleep(0.2)


async def wait_for_file(api: ApiClient, asset_id: str) -> dict[str, Any]:
    """Wait until the bytes of an asset are in the library."""
    while True:
        asset = await api.call("GET", f"/assets/{asset_id}")
        if asset["sync_status"] == "downloaded":
            return dict(asset)
        if asset["sync_status"] == "error":
            raise CommandFailed(f"The result could not be fetched: {asset['sync_error']}")
        await asyncio.sleep(0.1)


def _slug(prompt: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", prompt.lower()).strip("-")[:60] or "film"


def _short(label: str) -> str:
    return label if len(label) <= 40 else f"{label[:39]}…"
