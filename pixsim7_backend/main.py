"""The web application: its routes, what stands around them, and what it opens at start."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts

from pixsim7_backend.api.dependencies import SIGNED_IN_PROBLEMS, get_principal, local_or_signed_in
from pixsim7_backend.api.errors import install_error_handlers
from pixsim7_backend.api.middleware import install_middleware
from pixsim7_backend.api.schemas.problem import FieldProblemRead, Problem
from pixsim7_backend.api.v1 import (
    accounts,
    admin,
    assets,
    auth,
    callbacks,
    docs,
    events,
    health,
    jobs,
    media,
    providers,
    saved,
    uploads,
    users,
    webhooks,
    workspaces,
)
from pixsim7_backend.api.web import install_web_app
from pixsim7_backend.bootstrap.container import Container
from pixsim7_backend.shared.config import Settings, load_settings

PREFIX = "/api/v1"

PUBLIC = frozenset(
    {
        "/health/live",
        "/health/ready",
        f"{PREFIX}/auth/login",
        f"{PREFIX}/auth/refresh",
        f"{PREFIX}/auth/logout",
        f"{PREFIX}/auth/presence",
        f"{PREFIX}/auth/setup",
        f"{PREFIX}/callbacks/{{provider_id}}/{{account_id}}",
    }
)
"""The only routes without a credential; tokens and signatures are checked inside, and `presence`
tells a stranger only that there is nobody, or nobody yet."""


class UnguardedRoute(RuntimeError):
    """A route asks for no credential and is not on the public list: the start must stop."""


def create_app(container: Container | None = None, settings: Settings | None = None) -> FastAPI:
    """The application. Without a container it opens one at start and closes it at the end."""
    in_force = settings or (container.settings if container is not None else load_settings())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if container is not None:
            yield
            return
        app.state.container = await Container.open(in_force)
        try:
            yield
        finally:
            await app.state.container.close()

    app = FastAPI(
        title="PixSim7",
        summary="One queue and one library for AI video and images over many providers.",
        version=version("pixsim7"),
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        servers=[{"url": "/", "description": "This server."}],
        generate_unique_id_function=operation_id,
    )
    app.state.settings = in_force
    app.state.container = container
    install_error_handlers(app)
    install_middleware(app, in_force)
    _include_routers(app)
    install_web_app(app)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    require_guards(app)
    return app


def _include_routers(app: FastAPI) -> None:
    v1 = APIRouter(prefix=PREFIX, responses=SIGNED_IN_PROBLEMS)
    for module in (
        auth,
        users,
        jobs,
        assets,
        uploads,
        media,
        accounts,
        providers,
        workspaces,
        webhooks,
        saved,
        events,
        callbacks,
        admin,
    ):
        v1.include_router(module.router)
    app.include_router(v1)
    app.include_router(health.router)
    app.include_router(docs.router)


def operation_id(route: APIRoute) -> str:
    """`jobs_create`: what generated clients name their functions after."""
    return "_".join([*map(str, route.tags[:1]), route.name])


# --- deny by default --------------------------------------------------------------------------


def require_guards(app: FastAPI) -> None:
    """Raise `UnguardedRoute` unless every route asks who is there, or is public on purpose."""
    guards = {get_principal, local_or_signed_in, media.MediaAccess}
    for context in iter_route_contexts(app.routes):
        path = context.path or ""
        if path in PUBLIC:
            continue
        dependant = getattr(context, "dependant", None)
        if dependant is None or not guards & set(_calls(dependant)):
            raise UnguardedRoute(f"{sorted(context.methods or ())} {path} asks for no credential")


def _calls(dependant: Dependant) -> Iterator[Any]:
    yield dependant.call
    for child in dependant.dependencies:
        yield from _calls(child)


# --- OpenAPI ----------------------------------------------------------------------------------


def _openapi(app: FastAPI) -> dict[str, Any]:
    """OpenAPI 3.1, with our problems in place of FastAPI's own validation errors."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            servers=app.servers,
            routes=app.routes,
            tags=[{"name": name, "description": text} for name, text in TAGS.items()],
        )
        schemas = schema["components"]["schemas"]
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        for model in (Problem, FieldProblemRead):
            described = model.model_json_schema(ref_template="#/components/schemas/{model}")
            described.pop("$defs", None)
            schemas[model.__name__] = described
        app.openapi_schema = schema
    return app.openapi_schema


TAGS = {
    "auth": "Signing in, sessions, API tokens.",
    "users": "People and their usage.",
    "jobs": "What somebody asked for.",
    "assets": "The library.",
    "uploads": "Large files, in chunks.",
    "media": "The bytes of assets.",
    "accounts": "Keys at providers.",
    "providers": "What can be made.",
    "workspaces": "Folders.",
    "webhooks": "What happens, sent to you.",
    "saved": "Presets of jobs and views of the gallery.",
    "events": "What happens, live.",
    "callbacks": "For providers.",
    "admin": "For administrators.",
    "health": "Life signs.",
}
