"""Workspaces: folders of somebody's work."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends

from pixsim7_backend.api.dependencies import CurrentUser, Links, Manager, WorkspaceSvc
from pixsim7_backend.api.errors import problems
from pixsim7_backend.api.schemas.workspace import (
    WorkspaceCreate,
    WorkspaceDefaults,
    WorkspaceList,
    WorkspaceRead,
    WorkspaceUpdate,
)
from pixsim7_backend.domain.user import Workspace, WorkspaceNameTaken, WorkspaceNotFound

router = APIRouter(prefix="/workspaces", tags=["workspaces"])


class WorkspaceReader:
    """Workspaces with what is in them."""

    def __init__(self, workspaces: WorkspaceSvc, links: Links) -> None:
        self._workspaces = workspaces
        self._links = links

    async def one(self, row: Workspace) -> WorkspaceRead:
        return (await self.many([row]))[0]

    async def many(self, rows: Sequence[Workspace]) -> list[WorkspaceRead]:
        summaries = await self._workspaces.summaries(rows)
        return [
            WorkspaceRead(
                id=row.id,
                name=row.name,
                description=row.description,
                defaults=WorkspaceDefaults(
                    operation_type=row.default_operation_type,
                    provider_id=row.default_provider_id,
                    model=row.default_model,
                    priority=row.default_priority,
                ),
                asset_count=summaries[row.id].asset_count,
                job_count=summaries[row.id].job_count,
                active_jobs=summaries[row.id].active_jobs,
                spent_this_month=summaries[row.id].spent_this_month,
                covers=[
                    thumb
                    for asset in summaries[row.id].covers
                    if (thumb := self._links.thumb(asset)) is not None
                ],
                created_at=row.created_at,
                updated_at=row.updated_at,
            )
            for row in rows
            if row.id in summaries
        ]


Reader = Annotated[WorkspaceReader, Depends()]


def _columns(defaults: WorkspaceDefaults) -> dict[str, Any]:
    return {f"default_{name}": value for name, value in defaults.model_dump().items()}


@router.get("", name="list")
async def list_workspaces(
    user: CurrentUser, workspaces: WorkspaceSvc, reader: Reader
) -> WorkspaceList:
    """Yours, by name."""
    return WorkspaceList(items=await reader.many(await workspaces.list(user)))


@router.post("", name="create", status_code=201, responses=problems(WorkspaceNameTaken))
async def create_workspace(
    body: WorkspaceCreate, user: Manager, workspaces: WorkspaceSvc, reader: Reader
) -> WorkspaceRead:
    created = await workspaces.create(user, body.name, body.description, **_columns(body.defaults))
    return await reader.one(created)


@router.get("/{workspace_id}", name="get", responses=problems(WorkspaceNotFound))
async def get_workspace(
    workspace_id: UUID, user: CurrentUser, workspaces: WorkspaceSvc, reader: Reader
) -> WorkspaceRead:
    return await reader.one(await workspaces.get(workspace_id, user))


@router.patch(
    "/{workspace_id}", name="update", responses=problems(WorkspaceNotFound, WorkspaceNameTaken)
)
async def update_workspace(
    workspace_id: UUID,
    body: WorkspaceUpdate,
    user: Manager,
    workspaces: WorkspaceSvc,
    reader: Reader,
) -> WorkspaceRead:
    changes = body.model_dump(exclude_unset=True, exclude={"defaults"})
    if "defaults" in body.model_fields_set:
        changes |= _columns(body.defaults)
    return await reader.one(await workspaces.update(workspace_id, user, changes))


@router.delete(
    "/{workspace_id}", name="delete", status_code=204, responses=problems(WorkspaceNotFound)
)
async def delete_workspace(workspace_id: UUID, user: Manager, workspaces: WorkspaceSvc) -> None:
    """What was in it stays, without a folder."""
    await workspaces.delete(workspace_id, user)
