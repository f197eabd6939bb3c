"""What routes ask for: who is there, with which right, and the service that does the work."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from fastapi.security import APIKeyCookie, HTTPBearer
from starlette.requests import HTTPConnection

from pixsim7_backend.api.cookies import LOOPBACK, SESSION_COOKIES, first_cookie
from pixsim7_backend.api.errors import BadRequest, InternalError, problems
from pixsim7_backend.api.schemas.base import PageParams
from pixsim7_backend.api.transfer.media_links import MediaLinks
from pixsim7_backend.bootstrap.container import Container
from pixsim7_backend.bootstrap.services import Services
from pixsim7_backend.domain.user import PasswordChangeRequired, User
from pixsim7_backend.domain.vocabulary import UserRole
from pixsim7_backend.infrastructure.events.feed import EventFeed
from pixsim7_backend.infrastructure.security.keys import KeyPurpose
from pixsim7_backend.infrastructure.storage.blob_store import BlobStore
from pixsim7_backend.services.account.account_service import AccountService
from pixsim7_backend.services.asset.asset_bulk import AssetBulk
from pixsim7_backend.services.asset.asset_gallery import AssetGallery
from pixsim7_backend.services.asset.asset_service import AssetService
from pixsim7_backend.services.asset.upload_service import UploadService
from pixsim7_backend.services.job.dispatcher import Dispatcher
from pixsim7_backend.services.job.job_estimator import JobEstimator
from pixsim7_backend.services.job.job_overview import JobOverview
from pixsim7_backend.services.job.job_service import JobService
from pixsim7_backend.services.provider.provider_service import ProviderService
from pixsim7_backend.services.provider.registry import ProviderRegistry
from pixsim7_backend.services.user.auth_service import AuthService, Principal
from pixsim7_backend.services.user.saved_service import PresetService, ViewService
from pixsim7_backend.services.user.setup_service import SetupService
from pixsim7_backend.services.user.user_service import UserService
from pixsim7_backend.services.user.workspace_service import WorkspaceService
from pixsim7_backend.services.webhook.webhook_service import WebhookService
from pixsim7_backend.shared.config import Settings
from pixsim7_backend.shared.errors import Forbidden, InvalidInput, Unauthenticated, Unavailable

_TOKEN_PARAMETERS = frozenset({"token", "access_token", "api_key", "apikey", "key", "auth"})
_bearer = HTTPBearer(
    auto_error=False, description="An access token from `/auth/login`, or an API token (`px7_…`)."
)
_cookie = APIKeyCookie(
    name=SESSION_COOKIES[0],
    auto_error=False,
    description="Browsers: set by `/auth/login`. Unsafe methods need `X-PixSim7-Client`.",
)


class TokenInUrl(Unauthenticated):
    code = "token_in_url"
    title = "Tokens do not belong into addresses"


class MissingScope(Forbidden):
    code = "missing_scope"
    title = "The token may not do this"


class AdminsOnly(Forbidden):
    code = "admins_only"
    title = "Administrators only"


class SessionOnly(Forbidden):
    code = "session_only"
    title = "A signed-in person only"


# --- the process ------------------------------------------------------------------------------


def container_of_request(request: Request) -> Container:
    container: Container = request.app.state.container
    return container


def _services(request: Request) -> Services:
    return container_of_request(request).services


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


ServicesDep = Annotated[Services, Depends(_services)]
SettingsDep = Annotated[Settings, Depends(_settings)]
ContainerDep = Annotated[Container, Depends(container_of_request)]


def _jobs(services: ServicesDep) -> JobService:
    return services.jobs


def _overview(services: ServicesDep) -> JobOverview:
    return services.overview


def _estimator(services: ServicesDep) -> JobEstimator:
    return services.estimator


def _dispatcher(services: ServicesDep) -> Dispatcher:
    return services.dispatcher


def _assets(services: ServicesDep) -> AssetService:
    return services.assets


def _gallery(services: ServicesDep) -> AssetGallery:
    return services.gallery


def _bulk(services: ServicesDep) -> AssetBulk:
    return services.bulk


def _uploads(services: ServicesDep) -> UploadService:
    return services.uploads


def _accounts(services: ServicesDep) -> AccountService:
    return services.accounts


def _providers(services: ServicesDep) -> ProviderService:
    return services.providers


def _registry(services: ServicesDep) -> ProviderRegistry:
    return services.registry


def _users(services: ServicesDep) -> UserService:
    return services.users


def _setup(services: ServicesDep) -> SetupService:
    return services.setup


def _auth(services: ServicesDep) -> AuthService:
    return services.auth


def _workspaces(services: ServicesDep) -> WorkspaceService:
    return services.workspaces


def _webhooks(services: ServicesDep) -> WebhookService:
    return services.webhooks


def _presets(services: ServicesDep) -> PresetService:
    return services.presets


def _views(services: ServicesDep) -> ViewService:
    return services.views


def _store(container: ContainerDep) -> BlobStore:
    return container.store


def _feed(container: ContainerDep) -> EventFeed:
    return container.feed


JobSvc = Annotated[JobService, Depends(_jobs)]
OverviewDep = Annotated[JobOverview, Depends(_overview)]
EstimatorDep = Annotated[JobEstimator, Depends(_estimator)]
DispatcherDep = Annotated[Dispatcher, Depends(_dispatcher)]
AssetSvc = Annotated[AssetService, Depends(_assets)]
GallerySvc = Annotated[AssetGallery, Depends(_gallery)]
BulkSvc = Annotated[AssetBulk, Depends(_bulk)]
UploadSvc = Annotated[UploadService, Depends(_uploads)]
AccountSvc = Annotated[AccountService, Depends(_accounts)]
ProviderSvc = Annotated[ProviderService, Depends(_providers)]
RegistryDep = Annotated[ProviderRegistry, Depends(_registry)]
UserSvc = Annotated[UserService, Depends(_users)]
SetupSvc = Annotated[SetupService, Depends(_setup)]
AuthSvc = Annotated[AuthService, Depends(_auth)]
WorkspaceSvc = Annotated[WorkspaceService, Depends(_workspaces)]
WebhookSvc = Annotated[WebhookService, Depends(_webhooks)]
PresetSvc = Annotated[PresetService, Depends(_presets)]
ViewSvc = Annotated[ViewService, Depends(_views)]
StoreDep = Annotated[BlobStore, Depends(_store)]
FeedDep = Annotated[EventFeed, Depends(_feed)]
Paging = Annotated[PageParams, Query()]


# --- who asks ---------------------------------------------------------------------------------


def credential_of(connection: HTTPConnection) -> str | None:
    """The one place that looks for a credential: the Authorization header, else the cookie.

    A token in the address is refused: it would end up in logs, histories and referrers.
    """
    if _TOKEN_PARAMETERS.intersection(connection.query_params):
        raise TokenInUrl("Send the token in the header Authorization, never in the address.")
    header = connection.headers.get("authorization")
    if header is not None:
        scheme, _, value = header.partition(" ")
        if scheme.lower() != "bearer" or not value.strip():
            raise Unauthenticated("The header Authorization must read `Bearer <token>`.")
        return value.strip()
    return first_cookie(connection, SESSION_COOKIES)


async def get_principal(
    request: Request,
    auth: AuthSvc,
    _header: Annotated[Any, Depends(_bearer)],
    _session: Annotated[Any, Depends(_cookie)],
) -> Principal:
    """Who asks; raises `Unauthenticated`. The two schemes are named for OpenAPI only."""
    credential = credential_of(request)
    if credential is None:
        raise Unauthenticated("Sign in, or send a token.")
    principal = await auth.authenticate(credential)
    request.state.user_id = str(principal.user.id)
    return principal


async def find_principal(request: Request, auth: AuthSvc) -> Principal | None:
    """Who asks, or None for a stranger or an ended session."""
    try:
        credential = credential_of(request)
        return None if credential is None else await auth.authenticate(credential)
    except Unauthenticated:
        return None


CurrentPrincipal = Annotated[Principal, Depends(get_principal)]
MaybePrincipal = Annotated[Principal | None, Depends(find_principal)]


def _needs(*scopes: str) -> Callable[..., Coroutine[Any, Any, User]]:
    async def check(principal: CurrentPrincipal) -> User:
        _require_own_password(principal)
        if not any(principal.may(scope) for scope in scopes):
            raise MissingScope(f"This needs a token with the scope {scopes[0]}.")
        return principal.user

    return check


def _require_own_password(principal: Principal) -> None:
    if principal.user.must_change_password:
        raise PasswordChangeRequired("Set a password of your own at /auth/password.")


# Whoever may change things may look at them.
_reader = _needs("read", "generate", "manage")
CurrentUser = Annotated[User, Depends(_reader)]
"""Anybody signed in; of API tokens, those that may read."""
Generator = Annotated[User, Depends(_needs("generate"))]
"""May spend: jobs and their inputs."""
Manager = Annotated[User, Depends(_needs("manage"))]
"""May change and delete: assets, accounts, workspaces, webhooks."""


async def _admin(user: Manager) -> User:
    if user.role is not UserRole.ADMIN:
        raise AdminsOnly("Only administrators may do this.")
    return user


async def _session_user(principal: CurrentPrincipal) -> Principal:
    if principal.session_id is None:
        raise SessionOnly("An API token may not do this; sign in.")
    return principal


async def _settled_session(principal: Annotated[Principal, Depends(_session_user)]) -> Principal:
    _require_own_password(principal)
    return principal


AdminUser = Annotated[User, Depends(_admin)]
AnySession = Annotated[Principal, Depends(_session_user)]
"""A person with a session, also one whose password is still a one-time one."""
SignedIn = Annotated[Principal, Depends(_settled_session)]
"""A person with a session: API tokens cannot make tokens or change passwords."""


_FORWARDED = frozenset({"forwarded", "x-forwarded-for", "x-real-ip", "via"})


def is_local(request: Request) -> bool:
    """Whether it was sent on this machine, to a name of this machine.

    Behind a proxy here everybody comes from loopback; what proxies add only ever counts against.
    """
    host = request.client.host if request.client else ""
    is_passed_on = not _FORWARDED.isdisjoint(request.headers)
    return host in LOOPBACK and request.url.hostname in LOOPBACK and not is_passed_on


async def local_or_signed_in(request: Request, principal: MaybePrincipal) -> None:
    """For metrics and documentation: loopback, or anybody signed in."""
    if not is_local(request) and principal is None:
        raise Unauthenticated("Sign in, or ask from this machine.")


LocalOrSignedIn = Depends(local_or_signed_in)


def _links(container: ContainerDep, principal: CurrentPrincipal) -> MediaLinks:
    return MediaLinks(container.keys.ring(KeyPurpose.MEDIA_URL), principal.viewer_id)


Links = Annotated[MediaLinks, Depends(_links)]


SIGNED_IN_PROBLEMS = problems(
    Unauthenticated,
    TokenInUrl,
    MissingScope,
    PasswordChangeRequired,
    InvalidInput,
    BadRequest,
    Unavailable,
    InternalError,
)
"""What any route for signed-in people may answer."""
