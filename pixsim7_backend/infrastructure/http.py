"""The one way out: every outbound HTTP request of PixSim7 goes through this gateway."""

import asyncio
import re
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from aiohttp import BytesPayload, ClientResponse, ClientSession
from aiohttp.abc import AbstractResolver
from multidict import CIMultiDict
from yarl import URL

from pixsim7_backend.domain.provider import (
    BillableHttpClient,
    FormPart,
    HttpClient,
    HttpNotSent,
    HttpResponse,
    HttpStream,
    HttpUncertain,
)
from pixsim7_backend.infrastructure.database.guard import assert_no_transaction
from pixsim7_backend.infrastructure.http_body import (
    IDLE_S,
    beginning_of,
    chunks_of,
    outgoing_body,
    whole_answer,
)
from pixsim7_backend.infrastructure.http_policy import (
    AddressPolicy,
    AddressRefused,
    Purpose,
    Target,
    origin_of,
)
from pixsim7_backend.infrastructure.http_transport import (
    Attempt,
    open_session,
    send,
    verdict,
)
from pixsim7_backend.shared.fail_points import fail_point

_ANSWER_CAP = 8 * 1024 * 1024
_BILLABLE_ANSWER_CAP = 1024 * 1024
_MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# All that may go to an origin the caller did not address itself.
_HARMLESS_HEADERS = frozenset({"accept", "range", "if-range", "if-none-match", "accept-encoding"})
_FRAMING_HEADERS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "upgrade", "expect", "te"}
)


class HttpGateway:
    """Owns the connections. `open()` before use, `close()` at the end, in one event loop."""

    def __init__(
        self,
        *,
        policy: AddressPolicy,
        user_agent: str,
        resolver: AbstractResolver | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.policy = policy
        self._options: dict[str, Any] = {
            "user_agent": user_agent,
            "resolver": resolver,
            "ssl_context": ssl_context,
        }
        self._pooled: ClientSession | None = None
        self._fresh: ClientSession | None = None

    async def open(self) -> None:
        self._pooled = open_session(fresh_connections=False, **self._options)
        self._fresh = open_session(fresh_connections=True, **self._options)

    async def close(self) -> None:
        for session in (self._pooled, self._fresh):
            if session is not None:
                await session.close()
        self._pooled = self._fresh = None

    def client(self, *, allowed_origins: Collection[str] | None, purpose: Purpose) -> HttpClient:
        """A client for requests that cost nothing.

        PROVIDER_API reaches `allowed_origins` only. RESULT reaches any public host, but the
        caller's headers (other than harmless ones) go to `allowed_origins` alone.
        """
        return _Client(self, allowed_origins, purpose)

    def billable_client(
        self,
        *,
        allowed_origins: Collection[str] | None,
        before_first_byte: Callable[[], Awaitable[float | None]],
    ) -> BillableHttpClient:
        """A PROVIDER_API client that may also make one paid request.

        `before_first_byte` is awaited on the open connection; what it raises surfaces unchanged
        and means that no byte was sent. It may return the CLOCK_BOOTTIME reading taken just
        before its commit (`http_transport.boot_time`); else its own start counts. More than one
        second later nothing is sent any more (`HttpNotSent`).
        """
        return _BillableClient(self, allowed_origins, before_first_byte)

    async def post_webhook(
        self, url: str, body: bytes, *, headers: Mapping[str, str], timeout_s: float, keep: int
    ) -> HttpResponse:
        """Send a JSON body to a receiver that a person named, by the policy of WEBHOOK.

        No redirect is followed. The status counts as soon as it is heard; of the answer's body at
        most `keep` bytes are read. Raises `HttpNotSent` or `HttpUncertain`.
        """
        return await _WebhookClient(self, None, Purpose.WEBHOOK).post(
            url, body, headers, timeout_s, keep
        )

    def session(self, *, fresh: bool) -> ClientSession:
        session = self._fresh if fresh else self._pooled
        if session is None:
            raise RuntimeError("the HTTP gateway is not open")
        return session


class _Client:
    def __init__(
        self, gateway: HttpGateway, allowed_origins: Collection[str] | None, purpose: Purpose
    ) -> None:
        if purpose is Purpose.PROVIDER_API and allowed_origins is None:
            raise ValueError("a provider's client needs the origins it may reach")
        self._gateway = gateway
        self._origins = frozenset(map(origin_of, allowed_origins or ()))
        self._purpose = purpose

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        form: Sequence[FormPart] | None = None,
        timeout_s: float = 30.0,
    ) -> HttpResponse:
        """See the port. GET and HEAD follow up to three checked redirects; answers ≤ 8 MiB."""
        assert_no_transaction("HTTP request")
        attempt = Attempt(self._check(url, params))
        async with verdict(attempt), AsyncExitStack() as stack:
            await stack.enter_async_context(asyncio.timeout(timeout_s))
            body = await outgoing_body(stack, json, form)
            response = await self._follow(method, attempt, stack, headers, body)
            return await whole_answer(response, _ANSWER_CAP)

    @asynccontextmanager
    async def stream(
        self, url: str, *, headers: Mapping[str, str] | None = None, timeout_s: float = 600.0
    ) -> AsyncIterator[HttpStream]:
        """See the port. The consumer caps the size; too slow, late or short is `HttpUncertain`."""
        assert_no_transaction("HTTP download")
        deadline = time.monotonic() + timeout_s
        attempt = Attempt(self._check(url, None))
        async with AsyncExitStack() as stack:
            async with verdict(attempt), asyncio.timeout(min(timeout_s, IDLE_S)):
                plain = {"Accept-Encoding": "identity"} | dict(headers or {})
                response = await self._follow("GET", attempt, stack, plain, {})
            chunks = chunks_of(response, attempt, deadline)
            stack.push_async_callback(chunks.aclose)
            yield HttpStream(response.status, response.headers, chunks)

    def _check(self, url: str, params: Mapping[str, str] | None) -> Target:
        try:
            target = self._gateway.policy.check(url, self._purpose, self._origins)
        except AddressRefused as error:
            raise HttpNotSent(str(error)) from None
        if not params:
            return target
        return Target(target.url.extend_query(params), target.origin, target.is_exempt)

    async def _follow(
        self,
        method: str,
        attempt: Attempt,
        stack: AsyncExitStack,
        headers: Mapping[str, str] | None,
        body: Mapping[str, Any],
    ) -> ClientResponse:
        """Send, and follow redirects by hand: each one is a fresh decision of the policy."""
        session = self._gateway.session(fresh=False)
        first = attempt.target.origin
        may_follow = method.upper() in ("GET", "HEAD") and self._purpose is not Purpose.WEBHOOK
        for hop in range(_MAX_REDIRECTS + 1):
            sent = self._headers_for(attempt.target, first, headers)
            response = await send(session, method, attempt, headers=sent, **body)
            location = response.headers.get("Location")
            if not may_follow or response.status not in _REDIRECTS or not location:
                stack.callback(response.close)
                return response
            response.close()
            if hop < _MAX_REDIRECTS:
                attempt.target = self._redirected(attempt.target, location)
        raise HttpUncertain("too many redirects")

    def _redirected(self, target: Target, location: str) -> Target:
        try:
            joined = str(target.url.join(URL(location, encoded=location.isascii())))
            return self._gateway.policy.check(joined, self._purpose, self._origins)
        except ValueError:
            raise HttpUncertain("redirected to something that is no URL") from None
        except AddressRefused as error:
            raise HttpUncertain(f"redirected to where we must not go: {error}") from None

    def _headers_for(
        self, target: Target, first: str, headers: Mapping[str, str] | None
    ) -> CIMultiDict[str]:
        """The caller's headers, or only the harmless ones where the rest must not go."""
        given = CIMultiDict(headers or {})
        if _FRAMING_HEADERS & {name.lower() for name in given}:
            raise ValueError("the gateway frames requests itself")
        if any(map(_CONTROL.search, [*given.keys(), *given.values()])):
            # Found out later, by aiohttp, it would look like a request that may have been sent.
            raise ValueError("a header contains control characters")
        is_home = target.origin in self._origins
        if self._purpose in (Purpose.USER_URL, Purpose.WEBHOOK):
            is_home = target.origin == first
        if not is_home:
            for name in [name for name in given if name.lower() not in _HARMLESS_HEADERS]:
                del given[name]
        given.setdefault("Accept-Encoding", "gzip, deflate")
        return given


class _BillableClient(_Client):
    def __init__(
        self,
        gateway: HttpGateway,
        allowed_origins: Collection[str] | None,
        before_first_byte: Callable[[], Awaitable[float | None]],
    ) -> None:
        super().__init__(gateway, allowed_origins, Purpose.PROVIDER_API)
        self._before_first_byte = before_first_byte
        self._is_used = False

    async def request_billable(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        form: Sequence[FormPart] | None = None,
        timeout_s: float = 60.0,
    ) -> HttpResponse:
        """See the port. Once for each client; answers ≤ 1 MiB."""
        assert_no_transaction("billable HTTP request")
        if self._is_used:
            raise RuntimeError("one submission makes one billable request")
        self._is_used = True
        target = self._check(url, params)
        attempt = Attempt(target, self._before_first_byte)
        sent = self._headers_for(target, target.origin, headers)
        session = self._gateway.session(fresh=True)
        async with verdict(attempt), AsyncExitStack() as stack:
            await stack.enter_async_context(asyncio.timeout(timeout_s))
            body = await outgoing_body(stack, json, form)
            response = await send(session, method, attempt, headers=sent, **body)
            stack.callback(response.close)
            await fail_point("submit.after_headers")
            return await whole_answer(response, _BILLABLE_ANSWER_CAP)


class _WebhookClient(_Client):
    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], timeout_s: float, keep: int
    ) -> HttpResponse:
        assert_no_transaction("webhook")
        target = self._check(url, None)
        attempt = Attempt(target)
        sent = self._headers_for(target, target.origin, headers)
        # A connection that the receiver closed meanwhile would count as its failure.
        session = self._gateway.session(fresh=True)
        async with verdict(attempt), AsyncExitStack() as stack:
            async with asyncio.timeout(timeout_s):
                payload = BytesPayload(body, content_type="application/json")
                response = await send(session, "POST", attempt, headers=sent, data=payload)
            stack.callback(response.close)
            return HttpResponse(response.status, {}, await beginning_of(response, keep))
