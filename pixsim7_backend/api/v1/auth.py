"""Signing in and out, sessions, API tokens, the password."""

from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import APIRouter, Body, Request, Response

from pixsim7_backend.api.cookies import (
    REFRESH_COOKIES,
    InsecureCookies,
    clear_cookies,
    first_cookie,
    require_cookie_client,
    set_cookies,
)
from pixsim7_backend.api.dependencies import (
    AnySession,
    AuthSvc,
    CurrentPrincipal,
    MaybePrincipal,
    ServicesDep,
    SessionOnly,
    SettingsDep,
    SignedIn,
    is_local,
)
from pixsim7_backend.api.device import device_name
from pixsim7_backend.api.errors import problems
from pixsim7_backend.api.schemas.auth import (
    CurrentSession,
    Features,
    Login,
    PasswordChange,
    Presence,
    Refresh,
    SessionList,
    SessionRead,
    Setup,
    TokenCreate,
    TokenCreated,
    TokenList,
    TokenRead,
    Tokens,
)
from pixsim7_backend.api.schemas.user import QuotaStatus, UserRead
from pixsim7_backend.domain.user import (
    BadCredentials,
    LoginThrottled,
    SessionEnded,
    SessionNotFound,
    SetupDone,
    SetupRefused,
    TokenNotFound,
    User,
    UserExists,
)
from pixsim7_backend.services.job.job_service import MAX_BATCH, MAX_BULK
from pixsim7_backend.services.user.auth_service import AuthService, Principal, SessionToken
from pixsim7_backend.shared.errors import Unauthenticated

router = APIRouter(prefix="/auth", tags=["auth"])

_STORES: Mapping[str, Literal["s3", "gcs", "azure"]] = {"s3": "s3", "gs": "gcs", "az": "azure"}


@router.post(
    "/login", name="login", responses=problems(BadCredentials, LoginThrottled, InsecureCookies)
)
async def login(
    body: Login, request: Request, response: Response, auth: AuthSvc, settings: SettingsDep
) -> Tokens:
    """Sign in by e-mail or username. With `cookie`, for browsers, the answer holds no tokens."""
    if body.cookie:
        require_cookie_client(request, settings)
    user, token = await auth.login(body.email, body.password.get_secret_value(), **_device(request))
    return _answer(request, response, user, token, by_cookie=body.cookie)


@router.post("/refresh", name="refresh", responses=problems(SessionEnded))
async def refresh(
    request: Request,
    response: Response,
    auth: AuthSvc,
    body: Annotated[Refresh | None, Body()] = None,
) -> Tokens:
    """A new access token and the next refresh token; the given one is used up."""
    given = body.refresh_token if body is not None else None
    cookie = None if given is not None else first_cookie(request, REFRESH_COOKIES)
    plain = given.get_secret_value() if given is not None else cookie
    if plain is None:
        raise Unauthenticated("There is no refresh token, neither in the body nor in a cookie.")
    user, token = await auth.refresh(plain, **_device(request))
    return _answer(request, response, user, token, by_cookie=cookie is not None)


def _device(request: Request) -> dict[str, str | None]:
    return {
        "ip": request.client.host if request.client else None,
        "user_agent": request.headers.get("user-agent", "")[:300] or None,
    }


def _answer(
    request: Request, response: Response, user: User, token: SessionToken, *, by_cookie: bool
) -> Tokens:
    if by_cookie:
        set_cookies(request, response, token)
    return Tokens(
        access_token=None if by_cookie else str(token),
        refresh_token=None if by_cookie else token.refresh_token,
        expires_in=token.expires_in,
        user=UserRead.of(user),
    )


@router.post("/logout", name="logout", status_code=204, responses=problems(SessionOnly))
async def logout(
    request: Request, response: Response, principal: MaybePrincipal, auth: AuthSvc
) -> None:
    """End this session at once, here and in every stream and link of it.

    A browser whose access token has run out signs out by its refresh cookie.
    """
    if principal is not None and principal.session_id is None:
        raise SessionOnly("An API token is revoked at /auth/tokens.")
    if principal is not None and principal.session_id is not None:
        await auth.revoke_session(principal.session_id, principal.user)
    elif not await _end_by_cookie(request, auth):
        raise Unauthenticated("There is no session to end.")
    clear_cookies(request, response)


async def _end_by_cookie(request: Request, auth: AuthService) -> bool:
    """Whether the browser had a session of ours; one that has ended already is fine."""
    plain = first_cookie(request, REFRESH_COOKIES)
    if plain is None:
        return False
    try:
        user, token = await auth.refresh(plain)
        await auth.revoke_session(token.session_id, user)
    except (SessionEnded, SessionNotFound):
        pass
    return True


@router.get("/me", name="me")
async def get_me(principal: CurrentPrincipal) -> UserRead:
    return UserRead.of(principal.user)


@router.get("/presence", name="presence")
async def get_presence(
    request: Request,
    principal: MaybePrincipal,
    services: ServicesDep,
    settings: SettingsDep,
) -> Presence:
    """Who uses this browser, or nobody, and whether the installation is set up. Never 401."""
    needs_setup = await services.setup.is_needed()
    user = None if principal is None else principal.user
    quota = None if user is None else await services.users.get_quota_status(user.id)
    return Presence(
        needs_setup=needs_setup,
        setup_needs_token=needs_setup and not is_local(request),
        user=None if user is None else UserRead.of(user),
        session=None if principal is None else await _session(services.auth, principal),
        scopes=[] if principal is None else sorted(principal.scopes),
        quota=None if quota is None else QuotaStatus.model_validate(quota),
        instance_name=settings.instance_name,
        version=request.app.version,
        max_upload_bytes=settings.max_upload_bytes,
        features=Features(
            public_url=settings.public_url,
            storage=_STORES.get(urlsplit(settings.storage_url or "").scheme, "directory"),
            max_batch=MAX_BATCH,
            max_bulk=MAX_BULK,
        ),
    )


async def _session(auth: AuthService, principal: Principal) -> CurrentSession | None:
    rows = await auth.get_user_sessions(principal.user.id)
    own = next((row for row in rows if row.id == principal.session_id), None)
    return None if own is None else CurrentSession.model_validate(own)


@router.post(
    "/setup",
    name="setup",
    status_code=201,
    responses=problems(SetupDone, SetupRefused, UserExists, InsecureCookies),
)
async def set_up(
    body: Setup, request: Request, response: Response, services: ServicesDep, settings: SettingsDep
) -> Tokens:
    """Add the first administrator and sign them in by cookie. Works exactly once."""
    require_cookie_client(request, settings)
    password = body.password.get_secret_value()
    await services.setup.create_first_admin(
        body.email,
        body.username,
        password,
        token=None if body.token is None else body.token.get_secret_value(),
        is_local=is_local(request),
    )
    user, token = await services.auth.login(body.email, password, **_device(request))
    return _answer(request, response, user, token, by_cookie=True)


@router.post("/password", name="change_password", status_code=204)
async def change_password(body: PasswordChange, principal: AnySession, auth: AuthSvc) -> None:
    """All other sessions and all API tokens end."""
    await auth.change_password(
        principal.user,
        body.current_password.get_secret_value(),
        body.new_password.get_secret_value(),
        keep_session_id=principal.session_id,
    )


@router.get("/sessions", name="list_sessions")
async def list_sessions(principal: SignedIn, auth: AuthSvc) -> SessionList:
    """Where you are signed in, newest first."""
    rows = await auth.get_user_sessions(principal.user.id)
    items = [SessionRead.model_validate(row) for row in rows]
    for item in items:
        item.is_current = item.id == principal.session_id
        item.device = device_name(item.user_agent)
    return SessionList(items=items)


@router.delete("/sessions", name="revoke_other_sessions", status_code=204)
async def revoke_other_sessions(principal: SignedIn, auth: AuthSvc) -> None:
    """Sign out everywhere else."""
    if principal.session_id is not None:
        await auth.revoke_other_sessions(principal.user, principal.session_id)


@router.delete(
    "/sessions/{session_id}",
    name="revoke_session",
    status_code=204,
    responses=problems(SessionNotFound),
)
async def revoke_session(session_id: UUID, principal: SignedIn, auth: AuthSvc) -> None:
    """Sign out elsewhere."""
    await auth.revoke_session(session_id, principal.user)


@router.get("/tokens", name="list_tokens")
async def list_tokens(principal: SignedIn, auth: AuthSvc) -> TokenList:
    rows = await auth.list_api_tokens(principal.user)
    return TokenList(items=[TokenRead.model_validate(row) for row in rows])


@router.post("/tokens", name="create_token", status_code=201)
async def create_token(body: TokenCreate, principal: SignedIn, auth: AuthSvc) -> TokenCreated:
    """A token for programs. It is shown this once."""
    token, plain = await auth.create_api_token(
        principal.user, body.name, body.scopes, body.expires_in_days
    )
    return TokenCreated(**TokenRead.model_validate(token).model_dump(), token=plain)


@router.delete(
    "/tokens/{token_id}", name="revoke_token", status_code=204, responses=problems(TokenNotFound)
)
async def revoke_token(token_id: UUID, principal: SignedIn, auth: AuthSvc) -> None:
    await auth.revoke_api_token(token_id, principal.user)
