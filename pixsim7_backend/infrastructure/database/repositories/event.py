"""Reading events in the order in which their transactions became visible."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from pixsim7_backend.domain.event import CommittedEvent, Event

# Only transactions older than every open one: nothing can still appear before them. The order names
# its table, for a bare `xid` is the text beside it, by which 1000 comes before 999.
_READ = """
    SELECT xid::text AS xid, id, type, user_id, job_id, asset_id, account_id, data, created_at
    FROM events
    WHERE (xid, id) > (CAST(CAST(:xid AS text) AS xid8), :id)
      AND xid < pg_snapshot_xmin(pg_current_snapshot())
      {owner}
    ORDER BY events.xid, events.id
    LIMIT :limit
"""
_ALL = text(_READ.format(owner=""))
_OWN = text(_READ.format(owner="AND user_id = :user_id"))
_OWN_AND_HOUSE = text(_READ.format(owner="AND (user_id = :user_id OR user_id IS NULL)"))


class BadPosition(ValueError):
    """Not a position of this stream."""


def parse_position(position: str) -> tuple[str, int]:
    """Split `xid-id`; raises `BadPosition`."""
    xid, _, number = position.partition("-")
    if not (xid.isdecimal() and number.isdecimal() and len(position) <= 41):
        raise BadPosition(position)
    if int(xid) >= 2**64 or int(number) >= 2**63:
        raise BadPosition(position)
    return xid, int(number)


class EventRepository:
    """Rows of `events`, forward only."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def head(self) -> str:
        """The position after which everything is still to come."""
        statement = text(
            "SELECT (pg_snapshot_xmin(pg_current_snapshot())::text::numeric - 1)::text || '-'"
            " || 9223372036854775807"
        )
        return str(await self._session.scalar(statement))

    async def is_gated(self) -> bool:
        """Whether committed events may not be read yet, as an older transaction is still open."""
        statement = text(
            "SELECT EXISTS (SELECT 1 FROM events"
            " WHERE xid >= pg_snapshot_xmin(pg_current_snapshot()))"
        )
        return bool(await self._session.scalar(statement))

    async def oldest(self) -> str | None:
        """The position of the oldest event that is kept."""
        row = (
            await self._session.execute(
                text("SELECT xid::text, id FROM events ORDER BY events.xid, events.id LIMIT 1")
            )
        ).one_or_none()
        return None if row is None else f"{row[0]}-{row[1]}"

    async def read_after(
        self,
        position: str,
        limit: int,
        *,
        user_id: UUID | None = None,
        with_house: bool = False,
    ) -> Sequence[CommittedEvent]:
        """The next events, of everybody or of one person."""
        xid, number = parse_position(position)
        statement = _ALL if user_id is None else (_OWN_AND_HOUSE if with_house else _OWN)
        values = {"xid": xid, "id": number, "limit": limit}
        if user_id is not None:
            values["user_id"] = user_id
        return [committed(row) for row in await self._session.execute(statement, values)]

    async def page(
        self, before: int | None, limit: int, filters: Mapping[str, str | UUID | None]
    ) -> Sequence[Event]:
        """Newest first; `filters` are columns and the value that each must have."""
        statement = select(Event).order_by(Event.id.desc()).limit(limit)
        for column, value in filters.items():
            if value is not None:
                statement = statement.where(getattr(Event, column) == value)
        if before is not None:
            statement = statement.where(Event.id < before)
        return (await self._session.scalars(statement)).all()


def committed(row: Any) -> CommittedEvent:
    """The event of a row of `events`."""
    return CommittedEvent(
        position=f"{row.xid}-{row.id}",
        id=row.id,
        type=row.type,
        user_id=row.user_id,
        job_id=row.job_id,
        asset_id=row.asset_id,
        account_id=row.account_id,
        data=row.data,
        created_at=row.created_at,
    )
