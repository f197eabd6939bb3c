"""Pure ASGI around every request: identity, log, headers, and who may ask from where."""

import ipaddress
import re
import time
from urllib.parse import urlsplit
from uuid import uuid4

import structlog
from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pixsim7_backend.api.cookies import ALL_COOKIES, CLIENT_HEADER, is_https
from pixsim7_backend.api.errors import BadRequest, TooLarge, internal_error, problem_response
from pixsim7_backend.domain.upload import MAX_CHUNK_BYTES
from pixsim7_backend.infrastructure.telemetry import HTTP_REQUESTS
from pixsim7_backend.shared.config import Settings
from pixsim7_backend.shared.errors import Forbidden

log = structlog.get_logger()

MAX_BODY_BYTES = 2**20
UPLOAD = ("POST", "/api/v1/assets")
CHUNK = ("PATCH", re.compile(r"/api/v1/uploads/[^/]+"))
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
KNOWN_METHODS = SAFE_METHODS | {"POST", "PUT", "PATCH", "DELETE"}

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
HSTS = "max-age=31536000; includeSubDomains"


class UnknownHost(BadRequest):
    code = "unknown_host"
    title = "This server does not answer to that name"


class CsrfRefused(Forbidden):
    code = "csrf_refused"
    title = "The request may come from another site"


def install_middleware(app: FastAPI, settings: Settings) -> None:
    """The last one added is the outermost."""
    app.add_middleware(BodyLimit)
    app.add_middleware(CsrfGuard, public_url=settings.public_url)
    app.add_middleware(TrustedHosts, settings=settings)
    app.add_middleware(RequestScope)


class RequestScope:
    """Request id, security headers, access log and metrics; the net below unhandled errors."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = uuid4().hex[:16]
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                if is_https(HTTPConnection(scope)):
                    headers.setdefault("Strict-Transport-Security", HSTS)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_headers)
            except Exception as error:
                response = internal_error(scope, error)
                if status:
                    raise  # too late for another answer: the connection breaks off
                await response(scope, receive, send_with_headers)
            finally:
                _record(scope, status, time.perf_counter() - started)


def _record(scope: Scope, status: int, seconds: float) -> None:
    method = scope["method"] if scope["method"] in KNOWN_METHODS else "OTHER"
    route = route_template(scope)
    HTTP_REQUESTS.labels(method, route, str(status)).observe(seconds)
    # The path only: a query may hold a signed link.
    log.info(
        "request",
        method=method,
        route=route,
        path=scope["path"][:300],
        status=status,
        ms=round(seconds * 1000, 1),
        user_id=scope.get("state", {}).get("user_id"),
    )


def route_template(scope: Scope) -> str:
    """`/api/v1/jobs/{job_id}`: few different values, whatever is asked."""
    context = scope.get("fastapi", {})
    for value in (*context.values(), scope.get("route")):
        path = getattr(value, "path_format", None)
        if isinstance(path, str) and path:
            return path
    return "unmatched"


class TrustedHosts:
    """Answers only to the names of this installation, against DNS rebinding.

    A literal address cannot be rebound, so it is always fine.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        names = {"localhost", settings.host.lower(), *settings.allowed_hosts}
        if settings.public_url:
            names.add(urlsplit(settings.public_url).hostname or "")
        self._names = frozenset(name.lower() for name in names if name)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or self._is_known(scope):
            await self._app(scope, receive, send)
            return
        error = UnknownHost("Add the name to PIXSIM7_ALLOWED_HOSTS to use it.")
        await problem_response(error, scope)(scope, receive, send)

    def _is_known(self, scope: Scope) -> bool:
        hosts = Headers(scope=scope).getlist("host")
        if len(hosts) != 1:
            return False
        name = host_name(hosts[0])
        return name in self._names or is_address(name)


def host_name(host: str) -> str:
    """The name without the port, in lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower().rstrip(".")


def is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class CsrfGuard:
    """What a cookie alone vouches for may change things only from our own pages.

    Such a request needs an Origin that is ours and a header that no foreign form can send. A
    request with an Authorization header carries nothing ambient and passes.
    """

    def __init__(self, app: ASGIApp, public_url: str | None) -> None:
        self._app = app
        self._public_origin = origin_of(public_url) if public_url else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS:
            await self._app(scope, receive, send)
            return
        reason = self._refusal(HTTPConnection(scope))
        if reason is None:
            await self._app(scope, receive, send)
            return
        await problem_response(CsrfRefused(reason), scope)(scope, receive, send)

    def _refusal(self, request: HTTPConnection) -> str | None:
        headers = request.headers
        origin = headers.get("origin")
        if origin is not None and not self._is_ours(origin, headers.get("host", "")):
            # Also for signing in, when there is no cookie yet.
            return None if "authorization" in headers else "The page is of another origin."
        if "authorization" in headers or not _carries_cookie(request):
            return None
        if origin is None:
            return "A request by cookie needs the header Origin."
        if not headers.get(CLIENT_HEADER):
            return "A request by cookie needs the header X-PixSim7-Client."
        return None

    def _is_ours(self, origin: str, host: str) -> bool:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            return False
        return parts.netloc.lower() == host.lower() or origin.lower() == self._public_origin


class BodyLimit:
    """Bodies are small, counted as they come; only those that carry files are larger."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        most = _most_bytes(scope) if scope["type"] == "http" else None
        if most is None:
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "0")
        if not length.isdecimal() or int(length) > most:
            error = TooLarge(f"A body here has at most {most} bytes.")
            await problem_response(error, scope)(scope, receive, send)
            return
        seen = 0

        async def receive_counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > most:
                raise HTTPException(413)
            return message

        await self._app(scope, receive_counted, send)


def _most_bytes(scope: Scope) -> int | None:
    """None where the route counts by itself."""
    method, path = scope["method"], scope["path"]
    if (method, path) == UPLOAD:
        return None
    is_chunk = method == CHUNK[0] and CHUNK[1].fullmatch(path)
    return MAX_CHUNK_BYTES if is_chunk else MAX_BODY_BYTES


def _carries_cookie(request: HTTPConnection) -> bool:
    return any(name in request.cookies for name in ALL_COOKIES)


def origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
