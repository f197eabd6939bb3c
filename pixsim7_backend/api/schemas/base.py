"""What all shapes of the API share. Those that come in and those that go out are apart."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from pixsim7_backend.shared.pagination import MAX_PAGE

Number = Annotated[Decimal, PlainSerializer(float, return_type=float, when_used="json")]
"""A decimal that travels as a JSON number."""


class In(BaseModel):
    """A body or a query: an unknown field is an error, never ignored."""

    model_config = ConfigDict(extra="forbid")


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
