"""The command `pixsim7`."""

import json
import os
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from pixsim7_backend.bootstrap.container import Container
from pixsim7_backend.cli import people, working
from pixsim7_backend.cli.demo import run_demo
from pixsim7_backend.cli.output import CommandFailed, Exit, out, plain_errors, show, stop
from pixsim7_backend.cli.output import run as run_async
from pixsim7_backend.cli.serving import CannotListen
from pixsim7_backend.cli.serving import serve as serve_until_stopped
from pixsim7_backend.cli.serving import work as work_until_stopped
from pixsim7_backend.infrastructure.database.embedded import EmbeddedError
from pixsim7_backend.infrastructure.database.migrate import SchemaNotReady
from pixsim7_backend.infrastructure.security.keys import BadMasterKey
from pixsim7_backend.infrastructure.telemetry import configure_logging
from pixsim7_backend.main import create_app
from pixsim7_backend.shared.config import BadSettings, Settings, load_settings
from pixsim7_backend.shared.errors import PixSimError

app = typer.Typer(
    help="One queue and one library for AI video and images over many vendors and accounts.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(people.users, name="users")
app.add_typer(people.tokens, name="tokens")
app.add_typer(working.jobs, name="jobs")
app.add_typer(working.assets, name="assets")
app.add_typer(working.accounts, name="accounts")
app.command("generate")(working.generate)
app.command("providers")(working.providers)


def _settings(**overrides: object) -> Settings:
    given = {name: value for name, value in overrides.items() if value is not None}
    settings = load_settings(**given)
    configure_logging(settings.log_level, settings.log_format)
    return settings


@app.command()
def demo(
    prompt: Annotated[str, typer.Argument()] = "sunset over mountains",
    quality: Annotated[str, typer.Option(help="360p to 1080p.")] = "720p",
    duration: Annotated[int, typer.Option(help="Seconds, 1 to 15.")] = 5,
    seed: Annotated[int | None, typer.Option(help="Another seed, another film.")] = None,
) -> None:
    """Make a film with the built-in renderer: no key, no network, no configuration."""
    settings = load_settings()
    configure_logging("warning", settings.log_format)
    params: dict[str, object] = {"quality": quality, "duration": duration}
    if seed is not None:
        params["seed"] = seed
    path = run_async(run_demo(settings, prompt, params))
    out.print(f"\n[bold]{path}[/bold]", soft_wrap=True)
    out.print(
        "\nThe built-in procedural renderer made it from the prompt, through the same API, queue,"
        "\nworker and library that serve paid providers. How to go on:"
        "\n  make serve                             API and worker, to stay"
        "\n  pixsim7 demo 'rainy city at night'     another film"
        "\n  pixsim7 users create you@example.com   sign in as yourself",
        soft_wrap=True,
    )


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen at.")] = None,
    port: Annotated[int | None, typer.Option(help="0 takes a free one.")] = None,
    worker: Annotated[bool, typer.Option(help="Run a worker in this process too.")] = True,
) -> None:
    """Run the API and, unless told otherwise, a worker."""
    settings = _settings(host=host, port=port)

    def ready(url: str, setup_token: str | None) -> None:
        out.print(f"PixSim7 is ready at {url} - API reference at {url}/docs")
        if setup_token is not None:
            page = f"{settings.public_url or url}/setup#token={setup_token}"
            out.print(
                f"Nobody runs it yet. Open this within 15 minutes to begin: {page}", soft_wrap=True
            )

    run_async(serve_until_stopped(settings, with_worker=worker, on_ready=ready))


@app.command("worker")
def run_worker() -> None:
    """Run a worker; any number of them, on any number of machines."""
    run_async(work_until_stopped(_settings()))


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def simulate(context: typer.Context) -> None:
    """Run the vendors' simulator: paid providers to try and to test with, on this machine."""
    simulator = import_module("pixsim7_simulator.cli")
    raise SystemExit(simulator.main(context.args))


@app.command("migrate")
def migrate_database() -> None:
    """Bring the database's schema up to date; safe to repeat."""
    people.on_migrated(_settings())
    out.print("The schema is up to date.")


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check that everything this installation needs is there and works. Changes nothing."""

    async def look(container: Container) -> dict[str, str]:
        found = await container.is_ready()
        confinement = await container.tools.confinement()
        found["media tools"] = f"ok (network: {confinement.network}, files: {confinement.files})"
        for name, sentence in (await container.services.upkeep.findings()).items():
            found[name] = sentence
        return found

    _settings()
    findings = people.on_container(look)
    show(findings, as_json=as_json)
    if any(not text.startswith("ok") for text in findings.values()):
        raise SystemExit(int(Exit.FAILED))


app.command("seed")(people.seed)


@app.command("bench")
def run_bench(
    jobs: Annotated[int, typer.Option(help="Jobs per measurement.")] = 1000,
) -> None:
    """Run the benchmarks of a source checkout (`bench/`), side by side with peers."""
    sys.path.insert(0, os.getcwd())
    try:
        module = import_module("bench.run")
    except ModuleNotFoundError:
        raise CommandFailed("Run this in a source checkout; bench/ is not installed.") from None
    module.main(jobs)


@app.command()
def openapi(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Default: print it.")
    ] = None,
) -> None:
    """Export the API's description, with sorted keys."""
    schema = create_app(settings=load_settings()).openapi()
    text = json.dumps(schema, indent=2, sort_keys=True) + "\n"
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text)


@app.command("version")
def show_version() -> None:
    """Print the version."""
    out.print(version("pixsim7"))


def main() -> None:
    """Run the command line; a mistake ends in one sentence and an exit code."""
    try:
        with plain_errors():
            app()
    except (BadSettings, BadMasterKey) as error:
        stop(CommandFailed(f"{error}", Exit.USAGE))
    except (SchemaNotReady, EmbeddedError) as error:
        stop(CommandFailed(f"{error}", Exit.UNREACHABLE))
    except CannotListen as error:
        stop(CommandFailed(f"{error}"))
    except PixSimError as error:
        stop(CommandFailed(f"{error.detail} [{error.code}]"))
    except OSError as error:
        stop(CommandFailed(f"{error}", Exit.UNREACHABLE))
