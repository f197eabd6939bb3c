"""One table of legal transitions per status column; the database holds a copy and enforces it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

S = TypeVar("S", bound=StrEnum)


@dataclass(frozen=True)
class StateMachine(Generic[S]):
    """The legal edges of `table.column`."""

    table: str
    column: str
    initial: tuple[S, ...]
    edges: frozenset[tuple[S, S]]

    def sources(self, target: S) -> frozenset[S]:
        """The states from which `target` may be entered."""
        return frozenset(source for source, to in self.edges if to is target)

    def allows(self, source: S, target: S) -> bool:
        return (source, target) in self.edges
