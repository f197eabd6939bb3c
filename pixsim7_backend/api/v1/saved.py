"""What people save for later: presets of jobs and views of the gallery."""

from uuid import UUID

from fastapi import APIRouter

from pixsim7_backend.api.dependencies import CurrentUser, Manager, PresetSvc, ViewSvc
from pixsim7_backend.api.errors import problems
from pixsim7_backend.api.schemas.saved import (
    PresetCreate,
    PresetList,
    PresetRead,
    PresetUpdate,
    ViewCreate,
    ViewList,
    ViewRead,
    ViewUpdate,
)
from pixsim7_backend.domain.user import (
    PresetNameTaken,
    PresetNotFound,
    QuotaExceeded,
    ViewNameTaken,
    ViewNotFound,
)

router = APIRouter(tags=["saved"])


@router.get("/presets", name="list_presets")
async def list_presets(user: CurrentUser, presets: PresetSvc) -> PresetList:
    """Yours, by name."""
    return PresetList.model_validate({"items": await presets.list(user)})


@router.post(
    "/presets",
    name="create_preset",
    status_code=201,
    responses=problems(PresetNameTaken, QuotaExceeded),
)
async def create_preset(body: PresetCreate, user: Manager, presets: PresetSvc) -> PresetRead:
    """Keep settings of a job under a name; at most 200."""
    return PresetRead.model_validate(await presets.create(user, body.model_dump()))


@router.patch(
    "/presets/{preset_id}",
    name="update_preset",
    responses=problems(PresetNotFound, PresetNameTaken),
)
async def update_preset(
    preset_id: UUID, body: PresetUpdate, user: Manager, presets: PresetSvc
) -> PresetRead:
    changes = body.model_dump(exclude_unset=True)
    return PresetRead.model_validate(await presets.update(preset_id, user, changes))


@router.delete(
    "/presets/{preset_id}",
    name="delete_preset",
    status_code=204,
    responses=problems(PresetNotFound),
)
async def delete_preset(preset_id: UUID, user: Manager, presets: PresetSvc) -> None:
    await presets.delete(preset_id, user)


@router.get("/views", name="list_views")
async def list_views(user: CurrentUser, views: ViewSvc) -> ViewList:
    """Yours, by name."""
    return ViewList.model_validate({"items": await views.list(user)})


@router.post(
    "/views", name="create_view", status_code=201, responses=problems(ViewNameTaken, QuotaExceeded)
)
async def create_view(body: ViewCreate, user: Manager, views: ViewSvc) -> ViewRead:
    """Keep filters of the gallery under a name; at most 100."""
    return ViewRead.model_validate(await views.create(user, body.model_dump()))


@router.patch(
    "/views/{view_id}", name="update_view", responses=problems(ViewNotFound, ViewNameTaken)
)
async def update_view(view_id: UUID, body: ViewUpdate, user: Manager, views: ViewSvc) -> ViewRead:
    changes = body.model_dump(exclude_unset=True)
    return ViewRead.model_validate(await views.update(view_id, user, changes))


@router.delete(
    "/views/{view_id}", name="delete_view", status_code=204, responses=problems(ViewNotFound)
)
async def delete_view(view_id: UUID, user: Manager, views: ViewSvc) -> None:
    await views.delete(view_id, user)
