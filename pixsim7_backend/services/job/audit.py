"""Everything that happened, for administrators."""

from uuid import UUID

from pixsim7_backend.domain.event import EVENT_TYPES, CommittedEvent
from pixsim7_backend.domain.user import User
from pixsim7_backend.infrastructure.database.engine import Database
from pixsim7_backend.infrastructure.database.repositories.event import EventRepository, committed
from pixsim7_backend.shared.errors import FieldProblem, InvalidInput
from pixsim7_backend.shared.pagination import Page


class AuditService:
    """Reads only; events are kept as long as the settings say."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def list_events(
        self, reader: User, cursor: str | None, limit: int, **filters: str | UUID | None
    ) -> Page[CommittedEvent]:
        """Newest first, without the words of others."""
        kind = filters.get("type")
        if kind is not None and kind not in EVENT_TYPES:
            problem = FieldProblem("type", "is not an event type", sorted(EVENT_TYPES))
            raise InvalidInput(f"There is no event type {kind!r}.", fields=[problem])
        async with self._db.transaction() as tx:
            rows = await EventRepository(tx.session).page(_position(cursor), limit + 1, filters)
        shown = [committed(row).for_reader(reader.id) for row in rows[:limit]]
        return Page(shown, str(shown[-1].id) if len(rows) > limit else None)


def _position(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= 18):
        problem = FieldProblem("cursor", "is not a cursor of this list")
        raise InvalidInput("The cursor is not valid.", fields=[problem])
    return int(cursor)
