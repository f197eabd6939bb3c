"""What the database refuses or cannot do, as errors of ours."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import structlog
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from pixsim7_backend.shared.errors import Unavailable

log = structlog.get_logger()

T = TypeVar("T")

# Connection trouble, too many connections, shut-downs, and work that lost against other work:
# deadlocks, lock and statement time-outs. All of it passes.
_PASSING = ("08", "53", "57P", "40001", "40P01", "55P03", "57014", "25P03", "25P04")


class DatabaseUnavailable(Unavailable):
    """The database cannot be reached, or was too busy; nothing of the transaction was kept, or,
    when the connection broke during its commit, it is not known whether it was."""

    code = "database_unavailable"
    title = "The database is not available"


@contextmanager
def passing_trouble() -> Iterator[None]:
    """Raise `DatabaseUnavailable` for what another try may overcome; let all else through."""
    try:
        yield
    except (PoolTimeout, OSError) as error:
        raise DatabaseUnavailable(_AWAY, retry_after_s=2) from error
    except DBAPIError as error:
        state = str(getattr(error.orig, "sqlstate", None) or "")
        if error.connection_invalidated or state.startswith(_PASSING):
            raise DatabaseUnavailable(_AWAY, retry_after_s=2) from error
        raise


FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 1.0


async def outlast_trouble(work: Callable[[], Awaitable[T]], limit_s: float) -> T:
    """Do the work again for as long as the database is away or too busy; then let that through.

    The work must be safe to repeat, for a commit may have gone through unheard, and must not be
    part of an open transaction.
    """
    until = time.monotonic() + limit_s
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            return await work()
        except DatabaseUnavailable as error:
            if time.monotonic() + pause_s > until:
                raise
            log.warning("database_awaited", error=repr(error.__cause__), retry_in_s=pause_s)
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


_AWAY = "The database cannot be reached or is too busy; try again shortly."


@contextmanager
def violated(*constraints: str, error: Callable[[str], Exception]) -> Iterator[None]:
    """Raise `error(name)` when one of the named constraints is violated inside the block."""
    try:
        yield
    except IntegrityError as raised:
        text = str(raised.orig)
        for name in constraints:
            if name in text:
                raise error(name) from None
        raise


@contextmanager
def refused_value(error: Exception) -> Iterator[None]:
    """Raise `error` when a value inside the block has the right type and no meaning."""
    try:
        yield
    except DBAPIError as raised:
        if getattr(raised.orig, "sqlstate", None) == "22023":
            raise error from None
        raise
