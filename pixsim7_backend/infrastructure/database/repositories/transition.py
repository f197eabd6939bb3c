"""The one function that changes a status column."""

from collections.abc import Collection
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, update
from sqlalchemy.ext.asyncio import AsyncSession

from pixsim7_backend.domain.base import Base
from pixsim7_backend.domain.state_machine import StateMachine

E = TypeVar("E", bound=Base)
S = TypeVar("S", bound=StrEnum)


async def transition(
    session: AsyncSession,
    entity: type[E],
    machine: StateMachine[S],
    row_id: UUID,
    target: S,
    *,
    only_from: Collection[S] | None = None,
    where: Collection[ColumnElement[bool]] = (),
    **values: Any,
) -> E | None:
    """Compare-and-set one row into `target`, along a legal edge only.

    Returns the row as it is now, or None when it was not in a state that leads there (or a
    further condition, such as a fence, did not hold): the caller is stale and must touch nothing.
    """
    sources = machine.sources(target)
    if only_from is not None:
        illegal = set(only_from) - sources
        if illegal:
            raise ValueError(f"no edge from {illegal} to {target}")
        sources = frozenset(only_from)
    column = getattr(entity, machine.column)
    statement = (
        update(entity)
        .where(entity.id == row_id, column.in_(sources), *where)  # type: ignore[attr-defined]
        .values({machine.column: target, **values})
        .returning(entity)
        .execution_options(populate_existing=True, synchronize_session=False)
    )
    return (await session.scalars(statement)).one_or_none()
