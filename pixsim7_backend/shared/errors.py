"""The errors that people and programs see. Only `api/errors.py` knows how they look in HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """What is wrong with one input field, and what is allowed instead."""

    field: str
    message: str
    allowed: Sequence[Any] | str | None = None


class PixSimError(Exception):
    """Base of all errors with a stable code. Subclasses name one of the seven kinds."""

    code: ClassVar[str] = "error"
    title: ClassVar[str] = "Something went wrong"

    def __init__(
        self,
        detail: str,
        *,
        fields: Sequence[FieldProblem] = (),
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fields = tuple(fields)
        self.retry_after_s = retry_after_s


class InvalidInput(PixSimError):
    """The request itself is wrong; the fields say where."""

    code = "invalid_input"
    title = "The input is not valid"


class Unauthenticated(PixSimError):
    code = "unauthenticated"
    title = "Sign in first"


class Forbidden(PixSimError):
    code = "forbidden"
    title = "Not allowed"


class NotFound(PixSimError):
    """Unknown, or somebody else's: the two are told apart by nobody."""

    code = "not_found"
    title = "Not found"


class Conflict(PixSimError):
    """The thing is not in a state that allows this."""

    code = "conflict"
    title = "Not possible in the present state"


class LimitReached(PixSimError):
    """A quota, a rate or a size is used up."""

    code = "limit_reached"
    title = "A limit is reached"


class Unavailable(PixSimError):
    """Something we depend on is away; trying again later helps."""

    code = "unavailable"
    title = "Not available now"
