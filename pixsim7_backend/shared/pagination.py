"""Keyset pages: stable under inserts, equally fast at any depth."""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from pixsim7_backend.shared.errors import FieldProblem, InvalidInput

T = TypeVar("T")

MAX_PAGE = 200


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page; `next_cursor` is None on the last."""

    items: Sequence[T]
    next_cursor: str | None


def encode_cursor(last_id: UUID) -> str:
    return base64.urlsafe_b64encode(last_id.bytes).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> UUID | None:
    """The id to go on after; raises `InvalidInput` on anything we did not make."""
    if cursor is None:
        return None
    try:
        return UUID(bytes=base64.urlsafe_b64decode(cursor + "=="))
    except (ValueError, binascii.Error):
        problem = FieldProblem("cursor", "is not a cursor of this list")
        raise InvalidInput("The cursor is not valid.", fields=[problem]) from None


def page_of(rows: Sequence[T], limit: int, key: Callable[[T], UUID]) -> Page[T]:
    """A page from rows that were read with `limit + 1`."""
    if len(rows) <= limit:
        return Page(rows, None)
    return Page(rows[:limit], encode_cursor(key(rows[limit - 1])))
