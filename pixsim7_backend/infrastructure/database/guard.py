"""Refuses slow work (HTTP, blobs, subprocesses) while a database transaction is open.

The flag lives in the asyncio context. A task inherits a copy of the context that created it: one
started inside a transaction keeps seeing the flag after that transaction has ended. That is meant
(the work was ordered inside the transaction); start such tasks after the commit.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_open: ContextVar[int] = ContextVar("pixsim7_open_transactions", default=0)


@contextmanager
def transaction_open() -> Iterator[None]:
    """Mark the block as running inside a transaction. Nests."""
    _open.set(_open.get() + 1)
    try:
        yield
    finally:
        # A token would refuse to reset when a generator is closed from another context.
        _open.set(max(0, _open.get() - 1))


def in_transaction() -> bool:
    """Whether this task is inside `transaction_open()`."""
    return _open.get() > 0


def assert_no_transaction(what: str) -> None:
    """Raise RuntimeError when a transaction is open: `what` would hold its locks while waiting."""
    if _open.get():
        raise RuntimeError(f"{what} inside an open database transaction")
