"""What people save for later: presets of jobs and views of the gallery."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

from pixsim7_backend.domain.user import (
    Preset,
    PresetNameTaken,
    PresetNotFound,
    QuotaExceeded,
    SavedView,
    User,
    ViewNameTaken,
    ViewNotFound,
)
from pixsim7_backend.infrastructure.database.engine import Database
from pixsim7_backend.infrastructure.database.errors import violated
from pixsim7_backend.infrastructure.database.repositories.user import (
    SavedRepository,
    UserRepository,
)
from pixsim7_backend.shared.errors import FieldProblem, InvalidInput, NotFound

MAX_PARAMS_BYTES = 64 * 1024

T = TypeVar("T", Preset, SavedView)


class _SavedService(Generic[T]):
    """Seen by their owner only; names are unique to a person, and their number is bounded."""

    model: ClassVar[type[Any]]
    most: ClassVar[int]
    word: ClassVar[str]
    unknown: ClassVar[type[NotFound]]
    taken: ClassVar[type[PresetNameTaken] | type[ViewNameTaken]]

    def __init__(self, database: Database) -> None:
        self._db = database

    async def list(self, user: User) -> Sequence[T]:
        """One's own, by name."""
        async with self._db.transaction() as tx:
            return await self._rows(tx.session).list_of(user.id)

    async def create(self, user: User, values: Mapping[str, Any]) -> T:
        """Raises `QuotaExceeded` beyond the bound, and what a taken name or wrong value raises."""
        _check(values)
        with violated(f"uq_{self.model.__tablename__}", error=self._taken):
            async with self._db.transaction() as tx:
                # The lock makes two parallel creates count one after the other.
                await UserRepository(tx.session).lock(user.id)
                rows = self._rows(tx.session)
                if await rows.count_of(user.id) >= self.most:
                    raise QuotaExceeded(f"You may keep at most {self.most} {self.word}s.")
                return await rows.add(self.model(user_id=user.id, **values))

    async def update(self, id: UUID, user: User, changes: Mapping[str, Any]) -> T:
        """Only what is given changes."""
        _check(changes)
        with violated(f"uq_{self.model.__tablename__}", error=self._taken):
            async with self._db.transaction() as tx:
                row = await self._rows(tx.session).update(id, user.id, changes)
        if row is None:
            raise self.unknown(f"There is no such {self.word}.")
        return row

    async def delete(self, id: UUID, user: User) -> None:
        async with self._db.transaction() as tx:
            if not await self._rows(tx.session).delete(id, user.id):
                raise self.unknown(f"There is no such {self.word}.")

    def _rows(self, session: Any) -> SavedRepository[T]:
        return SavedRepository(session, self.model)

    def _taken(self, _: str) -> Exception:
        problem = FieldProblem("name", f"is taken by another {self.word} of yours")
        return self.taken(f"You have a {self.word} of this name.", fields=[problem])


class PresetService(_SavedService[Preset]):
    """Settings of a job under a name."""

    model = Preset
    most = 200
    word = "preset"
    unknown = PresetNotFound
    taken = PresetNameTaken


class ViewService(_SavedService[SavedView]):
    """Filters of the gallery under a name."""

    model = SavedView
    most = 100
    word = "view"
    unknown = ViewNotFound
    taken = ViewNameTaken


def _check(values: Mapping[str, Any]) -> None:
    if len(json.dumps(values.get("params"))) > MAX_PARAMS_BYTES:
        problem = FieldProblem("params", f"must have at most {MAX_PARAMS_BYTES} bytes")
        raise InvalidInput("The preset is too large.", fields=[problem])
