"""The paid request: after the intent, before the first byte, once, and never a guess."""

import asyncio
import gzip
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pixsim7_backend.domain.provider import HttpNotSent, HttpUncertain
from pixsim7_backend.infrastructure import http_transport
from pixsim7_backend.infrastructure.database.guard import transaction_open
from pixsim7_backend.infrastructure.http import HttpGateway
from pixsim7_backend.infrastructure.http_transport import boot_time
from tests.infrastructure.http_servers import (
    OK,
    RawServer,
    free_origin,
    gateway,
    raw_server,
    reads_only,
    resets,
    says,
    serving,
)


async def _nothing() -> None:
    pass


def _billable(
    made: HttpGateway, server: RawServer, hook: Callable[[], Awaitable[float | None]] = _nothing
) -> Any:
    return made.billable_client(allowed_origins=[server.origin], before_first_byte=hook)


class TestBillable:
    async def test_hook_runs_on_the_open_connection_before_any_byte(self) -> None:
        seen: list[tuple[int, bytes]] = []
        async with serving(says(OK)) as (server, made):

            async def hook() -> None:
                await asyncio.sleep(0.05)
                seen.append((len(server.connections), server.received))

            answer = await _billable(made, server, hook).request_billable(
                "POST", f"{server.origin}/pay", json={"a": 1}
            )
        assert seen == [(1, b"")]
        assert answer.json() == {"id": "v1"}
        assert server.requests == 1

    @pytest.mark.parametrize("error", [RuntimeError("cancelled"), OSError("db"), TimeoutError("t")])
    async def test_what_the_hook_raises_surfaces_and_nothing_was_sent(
        self, error: Exception
    ) -> None:
        async with serving(reads_only) as (server, made):

            async def hook() -> None:
                raise error

            with pytest.raises(type(error)) as caught:
                await _billable(made, server, hook).request_billable(
                    "POST", server.origin, json={"a": 1}
                )
            assert caught.value is error
            await asyncio.wait_for(server.ended.wait(), 5)  # and the connection was closed
        assert server.received == b""
        assert len(server.connections) == 1

    async def test_an_old_intent_is_not_sent(self) -> None:
        async with serving(reads_only) as (server, made):

            async def hook() -> float:
                return boot_time() - 1.01

            with pytest.raises(HttpNotSent, match="too long ago"):
                await _billable(made, server, hook).request_billable("POST", server.origin)
            await asyncio.wait_for(server.ended.wait(), 5)
        assert server.received == b""

    async def test_a_slow_hook_without_a_reading_counts_from_its_start(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(http_transport, "_INTENT_LIFE_S", 0.02)
        async with serving(reads_only) as (server, made):

            async def hook() -> None:
                await asyncio.sleep(0.03)

            with pytest.raises(HttpNotSent, match="too long ago"):
                await _billable(made, server, hook).request_billable("POST", server.origin)

    async def test_a_hook_that_hangs_ends_at_the_deadline_unsent(self) -> None:
        async with serving(reads_only) as (server, made):

            async def hook() -> None:
                await asyncio.sleep(60)

            with pytest.raises(HttpNotSent):
                await _billable(made, server, hook).request_billable(
                    "POST", server.origin, timeout_s=0.1
                )
            await asyncio.wait_for(server.ended.wait(), 5)
        assert server.received == b""

    @pytest.mark.parametrize("method", ["POST", "PUT", "GET", "DELETE"])
    async def test_never_sent_twice_when_the_connection_dies(self, method: str) -> None:
        hooks = 0
        async with serving(resets) as (server, made):

            async def hook() -> None:
                nonlocal hooks
                hooks += 1

            with pytest.raises(HttpUncertain):
                await _billable(made, server, hook).request_billable(method, server.origin)
        assert (server.requests, hooks) == (1, 1)

    async def test_silence_after_sending_is_uncertain(self) -> None:
        async with serving(reads_only) as (server, made):
            with pytest.raises(HttpUncertain):
                await _billable(made, server).request_billable(
                    "POST", server.origin, json={}, timeout_s=0.2
                )
            assert server.requests == 1

    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b"HTTP/1.1 200 O",
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
            b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Encoding: gzip\r\n\r\nabc",
            b"garbage\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n" + b"X-Pad: " + b"x" * 9000 + b"\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 2_000_000,
        ],
    )
    async def test_a_broken_answer_is_uncertain(self, raw: bytes) -> None:
        async with serving(says(raw)) as (server, made):
            with pytest.raises(HttpUncertain):
                await _billable(made, server).request_billable("POST", server.origin, json={})
        assert server.requests == 1

    async def test_a_gzip_bomb_is_uncertain_and_cheap(self) -> None:
        packed = gzip.compress(bytes(200 * 1024 * 1024), 9)
        head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n"
        async with serving(says(head.format(len(packed)).encode() + packed)) as (server, made):
            began = time.process_time()
            with pytest.raises(HttpUncertain, match="too large"):
                await _billable(made, server).request_billable("POST", server.origin)
        assert time.process_time() - began < 1

    async def test_refused_is_not_sent_and_declares_nothing(self) -> None:
        origin = free_origin()
        async with gateway(origin) as made:

            async def hook() -> None:
                pytest.fail("no connection, no intent")

            client = made.billable_client(allowed_origins=[origin], before_first_byte=hook)
            with pytest.raises(HttpNotSent):
                await client.request_billable("POST", origin)

    async def test_no_tls_is_not_sent(self) -> None:
        async with raw_server(says(b"not TLS at all")) as server:
            origin = server.origin.replace("http:", "https:")
            async with gateway(origin) as made:
                client = made.billable_client(allowed_origins=[origin], before_first_byte=_nothing)
                with pytest.raises(HttpNotSent):
                    await client.request_billable("POST", origin, timeout_s=1)

    async def test_redirects_are_answers(self) -> None:
        raw = b"HTTP/1.1 307 X\r\nLocation: https://evil.test/\r\nContent-Length: 0\r\n\r\n"
        async with serving(says(raw)) as (server, made):
            answer = await _billable(made, server).request_billable("POST", server.origin, json={})
        assert answer.status == 307
        assert server.requests == 1

    async def test_every_paid_request_has_a_fresh_connection(self) -> None:
        async with serving(says(OK, close=False)) as (server, made):
            client = _billable(made, server)
            await client.request("GET", server.origin)
            await client.request("GET", server.origin)
            assert len(server.connections) == 1
            for expected in (2, 3):
                await _billable(made, server).request_billable("POST", server.origin)
                assert len(server.connections) == expected
            assert b"Connection: close" in server.connections[1]

    async def test_one_submission_pays_once(self) -> None:
        async with serving(says(OK)) as (server, made):
            client = _billable(made, server)
            await client.request_billable("POST", server.origin)
            with pytest.raises(RuntimeError, match="one billable request"):
                await client.request_billable("POST", server.origin)
        assert server.requests == 1

    async def test_the_hook_may_use_a_transaction_but_the_caller_may_not(self) -> None:
        async with serving(says(OK)) as (server, made):

            async def hook() -> None:
                with transaction_open():
                    await asyncio.sleep(0)

            client = _billable(made, server, hook)
            with transaction_open(), pytest.raises(RuntimeError, match="open database"):
                await client.request_billable("POST", server.origin)
            await client.request_billable("POST", server.origin)

    async def test_cancelled_while_waiting_closes_the_connection(self) -> None:
        async with serving(reads_only) as (server, made):
            task = asyncio.create_task(
                _billable(made, server).request_billable("POST", server.origin, json={})
            )
            await asyncio.wait_for(server.arrived.wait(), 5)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(server.ended.wait(), 5)
