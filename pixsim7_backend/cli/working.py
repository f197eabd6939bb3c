"""`pixsim7 generate`, `jobs`, `assets`, `accounts`: what people do, over the API."""

import getpass
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import aiohttp
import typer

from pixsim7_backend.cli.client import ApiClient, api_client
from pixsim7_backend.cli.demo import follow_job, wait_for_file
from pixsim7_backend.cli.output import CommandFailed, Exit, err, out, plain_errors, show
from pixsim7_backend.cli.output import run as run_async

jobs = typer.Typer(help="Look at jobs and steer them.", no_args_is_help=True)
assets = typer.Typer(help="The library.", no_args_is_help=True)
accounts = typer.Typer(help="The pool of provider accounts.", no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_JOB_COLUMNS = ["id", "status", "provider_id", "operation_type", "priority", "created_at"]
_ASSET_COLUMNS = ["id", "media_type", "sync_status", "width", "height", "duration_s", "prompt"]
_ACCOUNT_COLUMNS = ["id", "provider_id", "name", "status", "credits", "slots_used", "is_shared"]


def call(work: Callable[[ApiClient], Awaitable[Any]]) -> Any:
    """Do something over the API; problems become sentences and exit codes."""

    async def run() -> Any:
        async with api_client() as api:
            if api.token is None:
                raise CommandFailed(
                    "Set PIXSIM7_TOKEN; `pixsim7 tokens create --user YOU` makes one.", Exit.DENIED
                )
            return await work(api)

    with plain_errors():
        return run_async(run())


def parse_params(pairs: list[str]) -> dict[str, Any]:
    """`duration=5` to a number, `prompt=sunset` to text, `images=["a","b"]` to a list."""
    params: dict[str, Any] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise CommandFailed(f"{pair!r} is not NAME=VALUE.", Exit.USAGE)
        try:
            params[name] = json.loads(value)
        except ValueError:
            params[name] = value
    return params


def generate(
    prompt: Annotated[str, typer.Argument(help="What to make.")],
    provider: Annotated[str, typer.Option(help="See `pixsim7 providers`.")] = "local",
    operation: Annotated[str, typer.Option(help="text_to_video, image_to_video, …")] = (
        "text_to_video"
    ),
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", help="NAME=VALUE; repeat it.")
    ] = None,
    priority: Annotated[int, typer.Option(min=0, max=10, help="0 is served first.")] = 5,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Save the file here.")] = (
        None
    ),
    wait: Annotated[bool, typer.Option(help="Wait for the result.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Make a film or a picture and, unless told otherwise, wait for it."""

    async def work(api: ApiClient) -> dict[str, Any]:
        body = {
            "provider_id": provider,
            "operation_type": operation,
            "params": {"prompt": prompt, **parse_params(param or [])},
            "priority": priority,
        }
        # One command is one wish: a repeated connection must not make two jobs.
        headers = {"Idempotency-Key": str(uuid4())}
        job = await api.call("POST", "/jobs", body=body, headers=headers)
        if not wait:
            return dict(job)
        job = await follow_job(api, job, label=prompt)
        asset = await wait_for_file(api, job["asset_id"])
        if output is not None:
            await api.download(f"/assets/{asset['id']}/file", output)
            err.print(f"Saved to {output}")
        return asset

    show(call(work), as_json=as_json)


def providers(as_json: JsonOption = False) -> None:
    """What this installation can call, and what each provider can do."""

    async def work(api: ApiClient) -> Any:
        return await api.call("GET", "/providers")

    show(call(work), as_json=as_json, columns=["id", "name", "operations", "summary"])


@jobs.command("list")
def list_jobs(
    status: Annotated[list[str] | None, typer.Option(help="Repeat it for several.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    as_json: JsonOption = False,
) -> None:
    """Your jobs, newest first."""
    query = {"limit": limit, "status": status or []}
    page = call(lambda api: api.call("GET", "/jobs", query=query))
    show(page, as_json=as_json, columns=_JOB_COLUMNS)


@jobs.command("show")
def show_job(job_id: str, as_json: JsonOption = False) -> None:
    """One job."""
    show(call(lambda api: api.call("GET", f"/jobs/{job_id}")), as_json=as_json)


@jobs.command("explain")
def explain_job(job_id: str, as_json: JsonOption = False) -> None:
    """Why a job waits: its place in line, and every account considered."""
    answer = call(lambda api: api.call("GET", f"/jobs/{job_id}/explain"))
    if as_json or not out.is_terminal:
        show(answer, as_json=True)
        return
    out.print(answer["reason"])
    show(answer["considered"], as_json=False, columns=["account_name", "is_able", "sentence"])


def _steer(verb: str, text: str) -> None:
    def command(job_id: str, as_json: JsonOption = False) -> None:
        show(call(lambda api: api.call("POST", f"/jobs/{job_id}/{verb}")), as_json=as_json)

    command.__doc__ = text
    jobs.command(verb)(command)


_steer("cancel", "Stop a job; what the provider has taken already may still be charged.")
_steer("pause", "Hold a waiting job back.")
_steer("resume", "Let a paused job wait in line again.")


@jobs.command("retry")
def retry_job(
    job_id: str,
    accept_second_charge: Annotated[
        bool, typer.Option(help="The last attempt may have been charged; try all the same.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Try an ended job again."""
    body = {"accept_second_charge": accept_second_charge}
    answer = call(lambda api: api.call("POST", f"/jobs/{job_id}/retry", body=body))
    show(answer, as_json=as_json)


@jobs.command("watch")
def watch_job(job_id: str, as_json: JsonOption = False) -> None:
    """Follow a job until it ends; the exit code is 1 when it failed."""

    async def work(api: ApiClient) -> dict[str, Any]:
        job = await api.call("GET", f"/jobs/{job_id}")
        return await follow_job(api, job, label=job["name"] or job_id)

    show(call(work), as_json=as_json)


@assets.command("list")
def list_assets(
    query: Annotated[str | None, typer.Option(help="Words in the name or the prompt.")] = None,
    media_type: Annotated[str | None, typer.Option(help="video, image or audio.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    as_json: JsonOption = False,
) -> None:
    """Your library, newest first."""
    values = {"query": query, "media_type": media_type, "limit": limit}
    page = call(lambda api: api.call("GET", "/assets", query=values))
    show(page, as_json=as_json, columns=_ASSET_COLUMNS)


@assets.command("show")
def show_asset(asset_id: str, as_json: JsonOption = False) -> None:
    """One asset, with its recipe."""
    show(call(lambda api: api.call("GET", f"/assets/{asset_id}")), as_json=as_json)


@assets.command("get")
def get_asset(asset_id: str, destination: Path) -> None:
    """Save an asset's file."""
    call(lambda api: api.download(f"/assets/{asset_id}/file", destination))
    err.print(f"Saved to {destination}")


@assets.command("upload")
def upload_asset(file: Path, as_json: JsonOption = False) -> None:
    """Put a picture or film into the library, to be used as an input."""
    if not file.is_file():
        with plain_errors():
            raise CommandFailed(f"{file} is not a file.", Exit.USAGE)

    async def work(api: ApiClient) -> Any:
        with file.open("rb") as stream:
            form = aiohttp.FormData()
            form.add_field("file", stream, filename=file.name)
            return await api.call("POST", "/assets", data=form)

    show(call(work), as_json=as_json)


@assets.command("delete")
def delete_asset(asset_id: str) -> None:
    """Delete an asset for good."""
    call(lambda api: api.call("DELETE", f"/assets/{asset_id}"))


@accounts.command("list")
def list_accounts(as_json: JsonOption = False) -> None:
    """Accounts that you may use."""
    page = call(lambda api: api.call("GET", "/accounts"))
    show(page, as_json=as_json, columns=_ACCOUNT_COLUMNS)


@accounts.command("add")
def add_account(
    provider: str,
    name: Annotated[str, typer.Option(help="How people will know it.")],
    credential: Annotated[
        list[str] | None,
        typer.Option("--credential", "-c", help="FIELD=VALUE; asked for when left out."),
    ] = None,
    base_url: Annotated[str | None, typer.Option(help="Another address of the same API.")] = None,
    shared: Annotated[bool, typer.Option(help="Everybody here may use it.")] = False,
    slots: Annotated[int | None, typer.Option(help="Jobs at once.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Add a provider's key to the pool. It can be replaced, and never read back."""

    async def work(api: ApiClient) -> Any:
        given = {str(k): str(v) for k, v in parse_params(credential or []).items()}
        offer = await api.call("GET", f"/providers/{provider}")
        for item in offer["credential_fields"]:
            if item["is_required"] and item["name"] not in given:
                given[item["name"]] = getpass.getpass(f"{item['label']}: ")
        body = {
            "provider_id": provider,
            "name": name,
            "credentials": given,
            "base_url": base_url,
            "is_shared": shared,
            "max_concurrent_jobs": slots,
        }
        return await api.call("POST", "/accounts", body=body)

    show(call(work), as_json=as_json)


@accounts.command("test")
def try_account(account_id: str, as_json: JsonOption = False) -> None:
    """Ask the provider whether the key works and what it can spend."""
    answer = call(lambda api: api.call("POST", f"/accounts/{account_id}/test"))
    show(answer, as_json=as_json)
    if not answer["ok"]:
        raise SystemExit(int(Exit.FAILED))


@accounts.command("remove")
def remove_account(account_id: str) -> None:
    """Take an account out of the pool."""
    call(lambda api: api.call("DELETE", f"/accounts/{account_id}"))
