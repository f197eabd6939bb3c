"""What all shapes of the API share. Those that come in and those that go out are apart."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, model_validator

from pixsim7_backend.shared.pagination import MAX_PAGE

Number = Annotated[Decimal, PlainSerializer(float, return_type=float, when_used="json")]
"""A decimal that travels as a JSON number."""


MAX_DEPTH = 20


class In(BaseModel):
    """A body or a query: an unknown field is an error, never ignored."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        require_storable(value)
        return value


def require_storable(value: Any, depth: int = 0) -> None:
    """Raise `ValueError` for what JSON can say and PostgreSQL cannot hold."""
    if depth > MAX_DEPTH:
        raise ValueError("is nested too deeply")
    match value:
        case str() if "\x00" in value or not _is_unicode(value):
            raise ValueError("holds a character that cannot be stored")
        case float() if not math.isfinite(value):
            raise ValueError("holds a number that is none")
        case int() if abs(value) >= 2**63:
            raise ValueError("holds a number that is too large")
        case Mapping():
            for key, item in value.items():
                require_storable(key, depth + 1)
                require_storable(item, depth + 1)
        case list():
            for item in value:
                require_storable(item, depth + 1)


def _is_unicode(text: str) -> bool:
    """False with half of a surrogate pair, which no encoding can write."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _within_reach(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("must say its time zone")
    if not EARLIEST_YEAR < value.year < LATEST_YEAR:
        raise ValueError("is out of reach")
    return value.astimezone(UTC)


EARLIEST_YEAR, LATEST_YEAR = 1900, 2200
Moment = Annotated[datetime, AfterValidator(_within_reach)]
"""A time that comes in: with its zone, and one that a database can hold and add to."""


class Out(BaseModel):
    """An answer, read from the attributes of a domain object."""

    model_config = ConfigDict(from_attributes=True)


class PageParams(In):
    """Where in a list to go on, and how far."""

    cursor: str | None = Field(
        default=None, max_length=200, description="`next_cursor` of the page before."
    )
    limit: int = Field(default=50, ge=1, le=MAX_PAGE, description="Items on a page.")


NextCursor = Annotated[
    str | None, Field(description="Give it as `cursor` to go on; null on the last page.")
]
