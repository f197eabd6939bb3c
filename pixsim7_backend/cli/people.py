"""`pixsim7 users` and `pixsim7 tokens`: an operator's commands, on the database itself."""

import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import typer
from rich.progress import Progress

from pixsim7_backend.bootstrap.container import Container
from pixsim7_backend.cli.output import CommandFailed, Exit, out, plain_errors, show
from pixsim7_backend.cli.output import run as run_async
from pixsim7_backend.domain.user import User
from pixsim7_backend.domain.vocabulary import UserRole
from pixsim7_backend.services.user.auth_service import SCOPES
from pixsim7_backend.shared.config import Settings, load_settings
from pixsim7_backend.shared.errors import PixSimError

users = typer.Typer(help="Add and list people, set passwords.", no_args_is_help=True)
tokens = typer.Typer(help="Make API tokens for programs.", no_args_is_help=True)

T = TypeVar("T")

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def on_container(work: Callable[[Container], Awaitable[T]]) -> T:
    """Open everything, do one thing, close; our errors become sentences."""

    async def run() -> T:
        container = await Container.open(load_settings())
        try:
            return await work(container)
        finally:
            await container.close()

    with plain_errors():
        try:
            return run_async(run())
        except PixSimError as error:
            raise CommandFailed(_in_words(error), Exit.USAGE) from None


def on_migrated(settings: Settings) -> None:
    """Open once with migrations, which is all that `pixsim7 migrate` does."""

    async def run() -> None:
        container = await Container.open(settings, with_migrations=True)
        await container.close()

    run_async(run())


def _in_words(error: PixSimError) -> str:
    lines = [f"{error.detail} [{error.code}]"]
    for item in error.fields:
        allowed = f" (allowed: {item.allowed})" if item.allowed else ""
        lines.append(f"  {item.field}: {item.message}{allowed}")
    return "\n".join(lines)


def _row(user: User) -> dict[str, Any]:
    return {
        "id": str(user.id),
        "email": user.email,
        "username": user.username,
        "role": user.role.value,
        "is_active": user.is_active,
        "jobs_today": user.jobs_today,
        "max_daily_jobs": user.max_daily_jobs,
    }


def _read_password() -> str:
    """From a pipe as it is, from a person twice and hidden."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


@users.command("create")
def create_user(
    email: str,
    username: Annotated[str | None, typer.Option(help="Default: the e-mail's first part.")] = None,
    role: Annotated[UserRole, typer.Option()] = UserRole.USER,
    as_json: JsonOption = False,
) -> None:
    """Add a person. The password is asked for, or read from standard input."""
    password = _read_password()

    async def work(container: Container) -> User:
        name = username or email.split("@")[0]
        return await container.services.users.create_user(email, name, password, role)

    show(_row(on_container(work)), as_json=as_json)


@users.command("list")
def list_users(as_json: JsonOption = False) -> None:
    """Everybody, oldest first."""

    async def work(container: Container) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = await container.services.users.list_users(cursor, 200)
            rows += [_row(user) for user in page.items]
            cursor = page.next_cursor
            if cursor is None:
                return rows

    columns = ["id", "email", "username", "role", "is_active", "jobs_today", "max_daily_jobs"]
    show(on_container(work), as_json=as_json, columns=columns)


@users.command("password")
def set_password(email: str) -> None:
    """Set a person's password; all their sessions end."""
    password = _read_password()

    async def work(container: Container) -> None:
        user = await _find(container, email)
        await container.services.users.set_password(user.id, password)

    on_container(work)
    out.print("The password is set; all sessions have ended.")


async def _find(container: Container, email: str) -> User:
    user = await container.services.users.find_by_login(email)
    if user is None:
        raise CommandFailed(f"There is no person {email!r}.", Exit.DENIED)
    return user


def seed(
    email: Annotated[str, typer.Option(help="Whose library to fill.")],
    assets: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many.")] = 1000,
) -> None:
    """Fill a person's library with synthetic TEST DATA, tagged test-data, to try and to measure."""

    async def work(container: Container) -> None:
        person = await _find(container, email)
        with Progress(console=out, transient=True) as bar:
            task = bar.add_task("Assets", total=assets)
            await container.services.seed.fill(
                person, assets, lambda made: bar.update(task, completed=made)
            )

    on_container(work)
    out.print(f"{assets} assets of test data are in the library of {email}.")


@tokens.command("create")
def create_token(
    user: Annotated[str, typer.Option(help="E-mail or username.")],
    name: Annotated[str, typer.Option(help="What it is for.")] = "command line",
    scope: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(SCOPES)}.")] = None,
    days: Annotated[int, typer.Option(help="Life in days, at most 365.")] = 90,
) -> None:
    """Make an API token and print it, this once. Use it as PIXSIM7_TOKEN."""

    async def work(container: Container) -> str:
        person = await _find(container, user)
        _, plain = await container.services.auth.create_api_token(
            person, name, scope or list(SCOPES), days
        )
        return plain

    print(on_container(work))  # noqa: T201


@tokens.command("list")
def list_tokens(
    user: Annotated[str, typer.Option(help="E-mail or username.")], as_json: JsonOption = False
) -> None:
    """A person's tokens; never the secrets."""

    async def work(container: Container) -> list[dict[str, Any]]:
        person = await _find(container, user)
        return [
            {
                "id": str(token.id),
                "name": token.name,
                "scopes": token.scopes,
                "expires_at": token.expires_at,
                "last_used_at": token.last_used_at,
            }
            for token in await container.services.auth.list_api_tokens(person)
        ]

    columns = ["id", "name", "scopes", "expires_at", "last_used_at"]
    show(on_container(work), as_json=as_json, columns=columns)
