"""Workspaces: folders of somebody's work."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from pixsim7_backend.domain.user import User, Workspace, WorkspaceNameTaken, WorkspaceNotFound
from pixsim7_backend.infrastructure.database.engine import Database, Transaction
from pixsim7_backend.infrastructure.database.errors import violated
from pixsim7_backend.infrastructure.database.repositories.user import (
    WorkspaceRepository,
    WorkspaceSummary,
)
from pixsim7_backend.shared.errors import FieldProblem, InvalidInput


class WorkspaceService:
    """Rules of workspaces. A workspace is seen by its owner only."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def create(
        self, user: User, name: str, description: str = "", **defaults: Any
    ) -> Workspace:
        """Raises `WorkspaceNameTaken` or `InvalidInput`."""
        _check({"name": name, "description": description, **defaults})
        with violated("uq_workspaces", error=_taken):
            async with self._db.transaction() as tx:
                workspace = await WorkspaceRepository(tx.session).add(
                    Workspace(
                        user_id=user.id, name=name.strip(), description=description, **defaults
                    )
                )
                tx.publish("workspace:created", user_id=user.id, data={"id": str(workspace.id)})
        return workspace

    async def get(self, workspace_id: UUID, user: User) -> Workspace:
        """Raises `WorkspaceNotFound`."""
        async with self._db.transaction() as tx:
            workspace = await WorkspaceRepository(tx.session).find(workspace_id, user.id)
        if workspace is None:
            raise WorkspaceNotFound("There is no such workspace.")
        return workspace

    async def list(self, user: User) -> Sequence[Workspace]:
        """One's own, by name."""
        async with self._db.transaction() as tx:
            return await WorkspaceRepository(tx.session).list_of(user.id)

    async def summaries(self, workspaces: Sequence[Workspace]) -> dict[UUID, WorkspaceSummary]:
        """Numbers and covers of the given workspaces."""
        async with self._db.transaction() as tx:
            ids = [workspace.id for workspace in workspaces]
            return await WorkspaceRepository(tx.session).summaries(ids)

    async def update(self, workspace_id: UUID, user: User, changes: Mapping[str, Any]) -> Workspace:
        """Change name, description or what new jobs in it start from."""
        _check(changes)
        with violated("uq_workspaces", error=_taken):
            async with self._db.transaction() as tx:
                workspace = await self.get(workspace_id, user)
                for name, value in changes.items():
                    setattr(workspace, name, value)
                tx.publish("workspace:updated", user_id=user.id, data={"id": str(workspace_id)})
        return workspace

    async def delete(self, workspace_id: UUID, user: User) -> None:
        """Remove the folder; what was in it stays, without a folder."""
        async with self._db.transaction() as tx:
            await self.get(workspace_id, user)
            await WorkspaceRepository(tx.session).delete(workspace_id)
            tx.publish("workspace:deleted", user_id=user.id, data={"id": str(workspace_id)})


def _check(values: Mapping[str, Any]) -> None:
    problems = []
    if "name" in values and not 1 <= len(values["name"].strip()) <= 100:
        problems.append(FieldProblem("name", "must have 1 to 100 characters"))
    if len(values.get("description", "")) > 2000:
        problems.append(FieldProblem("description", "must have at most 2000 characters"))
    if problems:
        raise InvalidInput("The workspace cannot be like this.", fields=problems)


def _taken(_: str) -> Exception:
    problem = FieldProblem("name", "is taken by another of your workspaces")
    return WorkspaceNameTaken("You have a workspace of this name.", fields=[problem])


async def require_workspace(
    tx: Transaction, workspace_id: UUID | None, user_id: UUID, field: str = "workspace_id"
) -> None:
    """Raises `InvalidInput` unless it is None or one of the person's."""
    if workspace_id is None:
        return
    if await WorkspaceRepository(tx.session).find(workspace_id, user_id) is None:
        problem = FieldProblem(field, "is not one of your workspaces")
        raise InvalidInput("There is no such workspace.", fields=[problem])
