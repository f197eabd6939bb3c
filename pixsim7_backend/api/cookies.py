"""The two cookies of the web app: their names, where they may go, and when they are set."""

from urllib.parse import urlsplit

from fastapi import Request, Response
from starlette.requests import HTTPConnection

from pixsim7_backend.services.user.auth_service import ABSOLUTE_LIFE, SessionToken
from pixsim7_backend.shared.config import Settings
from pixsim7_backend.shared.errors import Forbidden

SESSION_COOKIES = ("__Host-px7_session", "px7_session")
REFRESH_COOKIES = ("__Secure-px7_refresh", "px7_refresh")
"""The first of each under https, the second on plain http."""
ALL_COOKIES = (*SESSION_COOKIES, *REFRESH_COOKIES)

REFRESH_PATH = "/api/v1/auth"
CLIENT_HEADER = "x-pixsim7-client"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class InsecureCookies(Forbidden):
    code = "insecure_cookies"
    title = "Cookies need https here"


class ClientHeaderMissing(Forbidden):
    code = "csrf_refused"
    title = "The request may come from another site"


def first_cookie(connection: HTTPConnection, names: tuple[str, ...]) -> str | None:
    """Under https only the prefixed name counts: a sibling host cannot set that one."""
    usable = names[:1] if is_https(connection) else names
    return next((value for name in usable if (value := connection.cookies.get(name))), None)


def is_https(connection: HTTPConnection) -> bool:
    """Also behind a proxy that ends TLS: then the public URL says so, and the browser names it."""
    if connection.url.scheme == "https":
        return True
    settings: Settings = connection.app.state.settings
    public = urlsplit((settings.public_url or "").lower())
    return public.scheme == "https" and public.netloc == connection.headers.get("host", "").lower()


def require_cookie_client(request: Request, settings: Settings) -> None:
    """Cookies are for our own pages, over https; plain http only on loopback, or where the
    operator wrote an `http://` public URL on purpose."""
    if not request.headers.get(CLIENT_HEADER):
        raise ClientHeaderMissing("Signing in by cookie needs the header X-PixSim7-Client.")
    is_accepted = (settings.public_url or "").startswith("http://")
    if not is_https(request) and request.url.hostname not in LOOPBACK and not is_accepted:
        raise InsecureCookies(
            "Use https, or set PIXSIM7_PUBLIC_URL to this http:// address to accept the risk."
        )


def set_cookies(request: Request, response: Response, token: SessionToken) -> None:
    """HttpOnly always; Secure and prefixed wherever the browser will take it."""
    secure = is_https(request)
    index = 0 if secure else 1
    response.set_cookie(
        SESSION_COOKIES[index],
        str(token),
        max_age=token.expires_in,
        path="/",
        secure=secure,
        httponly=True,
        samesite="lax",
    )
    response.set_cookie(
        REFRESH_COOKIES[index],
        token.refresh_token,
        max_age=int(ABSOLUTE_LIFE.total_seconds()),
        path=REFRESH_PATH,
        secure=secure,
        httponly=True,
        samesite="strict",
    )


def clear_cookies(request: Request, response: Response) -> None:
    secure = is_https(request)
    index = 0 if secure else 1
    for name, path in ((SESSION_COOKIES[index], "/"), (REFRESH_COOKIES[index], REFRESH_PATH)):
        response.delete_cookie(name, path=path, secure=secure, httponly=True)
