"""aiohttp, made to connect only to checked addresses and to pause before the first byte."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from aiohttp import (
    AddrInfoType,
    ClientError,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
    ThreadedResolver,
)
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import Connection

from pixsim7_backend.domain.provider import HttpNotSent, HttpUncertain
from pixsim7_backend.infrastructure.http_policy import AddressRefused, Target, check_address
from pixsim7_backend.shared.fail_points import fail_point

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_INTENT_LIFE_S = 1.0
_CONNECT_S = 10.0


class IntentTooOld(Exception):
    """So much time passed since the intent was declared that it may have been taken over."""


# Before the first byte only these are failures of the network; any other exception is a bug.
_NETWORK_ERRORS = (ClientError, OSError, TimeoutError, IntentTooOld)


def boot_time() -> float:
    """Seconds that also pass while the machine sleeps."""
    return time.clock_gettime(_CLOCK)


@dataclass(slots=True)
class Attempt:
    """One request on its way; where it got to decides between 'not sent' and 'uncertain'."""

    target: Target
    before_first_byte: Callable[[], Awaitable[float | None]] | None = None
    is_sent: bool = False
    hook_error: Exception | None = None

    async def about_to_send(self) -> None:
        """Runs on the open connection. Nothing was written to it yet (a TLS handshake apart)."""
        if self.before_first_byte is not None:
            if self.is_sent:
                raise RuntimeError("a billable request must never be sent twice")
            started = boot_time()
            try:
                declared = await self.before_first_byte()
            except Exception as error:
                self.hook_error = error
                raise
            # Without word from the hook, its start is the cautious bound.
            if boot_time() - (started if declared is None else declared) >= _INTENT_LIFE_S:
                raise IntentTooOld("the intent to send was declared too long ago")
        self.is_sent = True


_attempt: ContextVar[Attempt] = ContextVar("pixsim7_http_attempt")


async def send(
    session: ClientSession, method: str, attempt: Attempt, **options: Any
) -> ClientResponse:
    """Send one request without following redirects."""
    token = _attempt.set(attempt)
    try:
        return await session.request(
            method, attempt.target.url, allow_redirects=False, proxy=None, **options
        )
    finally:
        _attempt.reset(token)


@asynccontextmanager
async def verdict(attempt: Attempt) -> AsyncIterator[None]:
    """Turn every failure into what the port promises; the hook's own exception passes as it is."""
    try:
        yield
    except (HttpNotSent, HttpUncertain):
        raise
    except Exception as error:
        if attempt.hook_error is not None:
            raise attempt.hook_error  # noqa: B904 - surfaces exactly as it was raised
        if attempt.is_sent:
            raise HttpUncertain(_describe(error)) from error
        if isinstance(error, _NETWORK_ERRORS):
            raise HttpNotSent(_describe(error)) from error
        raise


def _describe(error: BaseException) -> str:
    """Without the URL, which may be signed; the cause is kept for whoever needs it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, AddressRefused | IntentTooOld):
            return str(cause)
        cause = cause.__cause__
    return type(error).__name__


class _CheckedRequest(ClientRequest):
    """The last gate: sees the very connection, new or pooled, that the bytes will go to.

    aiohttp closes the connection when this raises. (An exception in its trace hook
    `on_connection_create_end` sends nothing either, but leaves the connection open for good.)
    """

    async def send(self, conn: Connection) -> ClientResponse:
        attempt = _attempt.get()
        if not attempt.target.is_exempt:
            transport = conn.transport
            peer = transport.get_extra_info("peername") if transport else None
            if not peer:
                raise AddressRefused("the connection has no peer")
            check_address(peer[0])
        await attempt.about_to_send()
        response = await super().send(conn)
        if attempt.before_first_byte is not None:
            await fail_point("submit.after_write")
        return response


class _CheckedResolver(AbstractResolver):
    """Resolves a name once for each connection; one bad answer condemns them all."""

    def __init__(self, inner: AbstractResolver) -> None:
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        answers = await self._inner.resolve(host, port, family)
        if not _attempt.get().target.is_exempt:
            for answer in answers:
                check_address(answer["host"])
        return answers

    async def close(self) -> None:
        await self._inner.close()


def _checked_socket(address: AddrInfoType) -> socket.socket:
    """Runs right before the connect, with the address that is connected to."""
    family, kind, protocol, _, destination = address
    if not _attempt.get().target.is_exempt:
        check_address(str(destination[0]))
    opened = socket.socket(family, kind, protocol)
    opened.setblocking(False)
    return opened


def open_session(
    *,
    user_agent: str,
    fresh_connections: bool,
    resolver: AbstractResolver | None = None,
    ssl_context: ssl.SSLContext | None = None,
) -> ClientSession:
    """A session without cookies, proxies or time-outs of its own (the gateway sets deadlines)."""
    checked = _CheckedResolver(resolver or ThreadedResolver(loop=asyncio.get_running_loop()))
    keep_alive: dict[str, Any] = {} if fresh_connections else {"keepalive_timeout": 30.0}
    connector = TCPConnector(
        resolver=checked,
        socket_factory=_checked_socket,
        use_dns_cache=False,
        force_close=fresh_connections,
        limit=0,
        ssl=ssl_context or True,
        **keep_alive,
    )
    return ClientSession(
        connector=connector,
        request_class=_CheckedRequest,
        cookie_jar=DummyCookieJar(),
        trust_env=False,
        timeout=ClientTimeout(total=None, sock_connect=_CONNECT_S),
        headers={"User-Agent": user_agent},
    )
