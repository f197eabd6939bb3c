"""How commands speak: tables and bars for people, JSON for programs, exit codes that mean
something."""

import asyncio
import json
import sys
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import contextmanager
from enum import IntEnum
from importlib import import_module
from typing import Any, NoReturn, TypeVar

from rich.console import Console
from rich.table import Table

T = TypeVar("T")

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


class Exit(IntEnum):
    """What the exit code of a command says."""

    OK = 0
    FAILED = 1
    """The work was tried and did not succeed: a job failed, a check found something."""
    USAGE = 2
    """The command or its input is wrong; the message names the field."""
    DENIED = 3
    """Not signed in, not allowed, or not there."""
    UNREACHABLE = 4
    """The server or the database does not answer."""


class CommandFailed(Exception):
    """Ends a command with a sentence and an exit code."""

    def __init__(self, message: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.code = code


def show(value: Any, *, as_json: bool, columns: Sequence[str] = ()) -> None:
    """Print a value: as JSON, or as a table of `columns`, or as one name and value per line."""
    if as_json or not sys.stdout.isatty():
        print(json.dumps(value, indent=2 if sys.stdout.isatty() else None, default=str))  # noqa: T201
        return
    if isinstance(value, Mapping) and "items" in value:
        value = value["items"]
    if isinstance(value, Mapping):
        for name, item in value.items():
            out.print(f"[dim]{name}[/dim] {_short(item)}")
        return
    table = Table(*columns, box=None, pad_edge=False, header_style="dim")
    for row in value:
        table.add_row(*(_short(row.get(column)) for column in columns))
    out.print(table)


def _short(value: Any) -> str:
    if value is None:
        return "-"
    text = json.dumps(value, default=str) if isinstance(value, (dict, list)) else str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def stop(error: CommandFailed) -> NoReturn:
    # Not as markup: that would swallow a code in square brackets.
    err.print(str(error), style="red", markup=False, soft_wrap=True)
    raise SystemExit(int(error.code))


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work on the fast event loop, where there is one."""
    try:
        loop_factory = import_module("uvloop").new_event_loop
    except ModuleNotFoundError:
        loop_factory = None
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(work)


@contextmanager
def plain_errors() -> Any:
    """Turn what we raise on purpose into a sentence and an exit code."""
    try:
        yield
    except CommandFailed as error:
        stop(error)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
