"""Cross-field rules as located errors: several at once, each with its field and what is allowed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken rule, told to a person."""

    field: str
    message: str
    allowed: Sequence[Any] = ()
    value: Any = None


def raise_problems(title: str, problems: Iterable[Problem]) -> None:
    """Raise all problems as one `ValidationError` of type `field_rule`; nothing if there are none.

    Raised inside a model validator, pydantic keeps each `loc`, so the error stands at its field;
    `ctx` carries the same (`field`, `message`, `allowed`) for the API layer.
    """
    errors = [
        InitErrorDetails(
            type=PydanticCustomError(
                "field_rule",
                "{message}",
                {"field": item.field, "message": item.message, "allowed": list(item.allowed)},
            ),
            loc=(item.field,),
            input=item.value,
        )
        for item in problems
    ]
    if errors:
        raise ValidationError.from_exception_data(title, errors)


def listed(values: Iterable[Any]) -> str:
    """`5, 8 or 10`."""
    words = [str(value) for value in values]
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} or {words[-1]}"
