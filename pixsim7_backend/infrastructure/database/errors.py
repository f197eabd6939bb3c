"""Constraint violations as errors of ours."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy.exc import IntegrityError


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
