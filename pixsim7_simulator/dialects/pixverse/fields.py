"""Reads a PixVerse request body strictly: 400011 empty, 400013 wrong type, 400017 wrong value."""

from collections.abc import Collection
from typing import Any

from pixsim7_simulator.dialects.base import RefusedError

EMPTY, BAD_TYPE, BAD_VALUE = 400011, 400013, 400017


def invalid(message: str) -> RefusedError:
    return RefusedError(BAD_VALUE, f"Invalid parameter: {message}")


class Fields:
    """One JSON object of a request."""

    def __init__(self, content: object, where: str = "") -> None:
        if not isinstance(content, dict):
            raise RefusedError(BAD_TYPE, f"Invalid binding: {where or 'body'} must be an object")
        self._content: dict[str, Any] = content
        self._where = f"{where}." if where else ""

    def has(self, name: str) -> bool:
        return self._content.get(name) is not None

    def require(self, *names: str) -> None:
        for name in names:
            if self._content.get(name) in (None, "", []):
                raise RefusedError(EMPTY, f"Empty parameter: {self._where}{name}")

    def text(self, name: str, choices: Collection[str] = ()) -> str:
        value = self._typed(name, str, "")
        if value and choices and value not in choices:
            raise invalid(f"{self._where}{name}")
        return str(value)

    def number(self, name: str, default: int = 0) -> int:
        return int(self._typed(name, int, default))

    def switch(self, name: str) -> bool:
        return bool(self._typed(name, bool, False))

    def identifier(self, name: str) -> int | None:
        """Ids are JSON numbers; a quoted one is refused."""
        return self.number(name) if self.has(name) else None

    def items(self, name: str) -> list[object]:
        value = self._typed(name, list, [])
        return list(value)

    def objects(self, name: str) -> list["Fields"]:
        return [
            Fields(item, f"{self._where}{name}[{index}]")
            for index, item in enumerate(self.items(name))
        ]

    def exactly_one(self, *names: str) -> None:
        given = [name for name in names if self.has(name)]
        if not given:
            raise RefusedError(EMPTY, f"Empty parameter: {' or '.join(names)}")
        if len(given) > 1:
            raise invalid(f"{' and '.join(given)} exclude each other")

    def refuse(self, *names: str, why: str) -> None:
        """Refuse fields that are given with any value but false."""
        for name in names:
            if self._content.get(name) not in (None, "", False):
                raise invalid(f"{self._where}{name} {why}")

    def _typed(self, name: str, wanted: type, default: object) -> Any:
        value = self._content.get(name)
        if value is None:
            return default
        if type(value) is not wanted:  # a bool is no int here
            raise RefusedError(
                BAD_TYPE, f"Invalid binding: {self._where}{name} must be {wanted.__name__}"
            )
        return value
