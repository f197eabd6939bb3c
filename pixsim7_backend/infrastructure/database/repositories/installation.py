"""Facts of the installation in SQL."""

from datetime import datetime

from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from pixsim7_backend.domain.installation import InstallationFact


class InstallationRepository:
    """Rows of `installation_facts`, and the locks of starting processes."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def serialise(self, key: int) -> None:
        """Only one transaction at a time goes on past this."""
        await self._session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})

    async def find(self, name: str, *, not_before: datetime | None = None) -> str | None:
        """The fact, unless it is older than `not_before`."""
        statement = select(InstallationFact.value).where(InstallationFact.name == name)
        if not_before is not None:
            statement = statement.where(InstallationFact.created_at >= not_before)
        return await self._session.scalar(statement)

    async def remember(self, name: str, value: str) -> None:
        """Keep a fact; one that is there already stays."""
        row = insert(InstallationFact).values(name=name, value=value)
        await self._session.execute(row.on_conflict_do_nothing())

    async def replace(self, name: str, value: str) -> None:
        """Keep a fact in place of the one of this name."""
        row = insert(InstallationFact).values(name=name, value=value)
        await self._session.execute(
            row.on_conflict_do_update(
                index_elements=["name"], set_={"value": value, "created_at": func.now()}
            )
        )

    async def forget(self, name: str) -> None:
        await self._session.execute(delete(InstallationFact).where(InstallationFact.name == name))
