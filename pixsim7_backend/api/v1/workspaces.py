"""Workspaces: folders of somebody's work."""

from uuid import UUID

from fastapi import APIRouter

from pixsim7_backend.api.dependencies import CurrentUser, Manager, WorkspaceSvc
from pixsim7_backend.api.errors import problems
from pixsim7_backend.api.schemas.workspace import (
    WorkspaceCreate,
    WorkspaceList,
    WorkspaceRead,
    WorkspaceUpdate,
)
from pixsim7_backend.domain.user import WorkspaceNameTaken, WorkspaceNotFound

router = APIRouter(prefix="/workspaces", tags=["workspaces"])


@router.get("", name="list")
async def list_workspaces(user: CurrentUser, workspaces: WorkspaceSvc) -> WorkspaceList:
    """Yours, by name."""
    rows = await workspaces.list(user)
    return WorkspaceList(items=[WorkspaceRead.model_validate(row) for row in rows])


@router.post("", name="create", status_code=201, responses=problems(WorkspaceNameTaken))
async def create_workspace(
    body: WorkspaceCreate, user: Manager, workspaces: WorkspaceSvc
) -> WorkspaceRead:
    created = await workspaces.create(user, body.name, body.description)
    return WorkspaceRead.model_validate(created)


@router.get("/{workspace_id}", name="get", responses=problems(WorkspaceNotFound))
async def get_workspace(
    workspace_id: UUID, user: CurrentUser, workspaces: WorkspaceSvc
) -> WorkspaceRead:
    return WorkspaceRead.model_validate(await workspaces.get(workspace_id, user))


@router.patch(
    "/{workspace_id}", name="update", responses=problems(WorkspaceNotFound, WorkspaceNameTaken)
)
async def update_workspace(
    workspace_id: UUID, body: WorkspaceUpdate, user: Manager, workspaces: WorkspaceSvc
) -> WorkspaceRead:
    changes = body.model_dump(exclude_unset=True)
    return WorkspaceRead.model_validate(await workspaces.update(workspace_id, user, changes))


@router.delete(
    "/{workspace_id}", name="delete", status_code=204, responses=problems(WorkspaceNotFound)
)
async def delete_workspace(workspace_id: UUID, user: Manager, workspaces: WorkspaceSvc) -> None:
    """What was in it stays, without a folder."""
    await workspaces.delete(workspace_id, user)
