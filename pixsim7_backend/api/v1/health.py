"""Outside of the versioned API: life signs and metrics."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from pixsim7_backend.api.dependencies import ContainerDep, LocalOrSignedIn
from pixsim7_backend.api.schemas.admin import Health

router = APIRouter(tags=["health"])


@router.get("/health/live", name="live")
async def get_live() -> Health:
    """The process answers."""
    return Health(status="ok")


@router.get(
    "/health/ready",
    name="ready",
    responses={503: {"model": Health, "description": "Something that it needs is away."}},
)
async def get_ready(container: ContainerDep, response: Response) -> Health:
    """What it needs is there: requests can be served."""
    components = await container.is_ready()
    is_well = all(state == "ok" for state in components.values())
    if not is_well:
        response.status_code = 503
    # What is wrong in detail is for administrators and the log.
    shown = {name: "ok" if state == "ok" else "away" for name, state in components.items()}
    return Health(status="ok" if is_well else "unwell", components=shown)


@router.get("/metrics", name="metrics", dependencies=[LocalOrSignedIn], include_in_schema=False)
async def get_metrics() -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
