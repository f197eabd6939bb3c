"""Requests and downloads against real sockets: what is sent, and what the outcome is called."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from pixsim7_backend.domain.provider import FormPart, HttpClient, HttpUncertain
from pixsim7_backend.infrastructure import http_body
from pixsim7_backend.infrastructure.database.guard import transaction_open
from pixsim7_backend.infrastructure.http_policy import Purpose
from tests.infrastructure.http_servers import (
    OK,
    RawServer,
    Recorder,
    free_origin,
    gateway,
    says,
    serving,
)


class TestRequest:
    async def test_what_is_sent(self) -> None:
        async with serving(says(OK)) as (server, made):
            client = made.client(allowed_origins=[server.origin], purpose=Purpose.PROVIDER_API)
            answer = await client.request(
                "POST",
                f"{server.origin}/v2/x?a=1",
                headers={"API-KEY": "k"},
                params={"b": "2 3"},
                json={"prompt": "größe", "n": 1},
            )
        head, _, _ = server.received.partition(b"\r\n\r\n")
        assert head.startswith(b"POST /v2/x?a=1&b=2+3 HTTP/1.1\r\n")
        for line in (b"API-KEY: k", b"User-Agent: pixsim7-test", b"Content-Type: application/json"):
            assert line in head
        assert b"Cookie" not in head
        assert answer.headers["content-length"] == "12"

    async def test_json_body_arrives_whole(self) -> None:
        value = {"image": "x" * 3_000_000, "text": "ü"}
        body = bytearray()

        async def answer(state: RawServer, reader: Recorder, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            while len(body) < length:
                body.extend(await reader.read(65536))
            writer.write(OK)

        async with serving(answer) as (server, made):
            client = made.client(allowed_origins=[server.origin], purpose=Purpose.PROVIDER_API)
            await client.request("POST", server.origin, json=value)
        assert json.loads(bytes(body)) == value

    async def test_files_are_streamed_from_disk(self, tmp_path: Path) -> None:
        file = tmp_path / "clip.mp4"
        file.write_bytes(b"frame" * 100_000)

        async def answer(state: RawServer, reader: Recorder, writer: asyncio.StreamWriter) -> None:
            while (
                not state.received.rstrip(b"\r\n").endswith(b"--") or len(state.received) < 500_000
            ):
                await reader.read(65536)
            writer.write(OK)

        async with serving(answer) as (server, made):
            client = made.client(allowed_origins=[server.origin], purpose=Purpose.PROVIDER_API)
            form = [
                FormPart("kind", "video"),
                FormPart("file", file, filename="in.mp4", content_type="video/mp4"),
            ]
            await client.request("POST", server.origin, form=form)
        assert b"multipart/form-data; boundary=" in server.received
        assert b'name="file"; filename="in.mp4"' in server.received
        assert server.received.count(b"frame") == 100_000
        assert str(tmp_path).encode() not in server.received

    async def test_a_dead_pooled_connection_repeats_reads_but_no_post(self) -> None:
        served = 0

        async def answer(state: RawServer, reader: Recorder, writer: asyncio.StreamWriter) -> None:
            nonlocal served
            served += 1
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)
            await writer.drain()
            if served == 1:  # die at the second request on this connection
                await reader.readuntil(b"\r\n\r\n")
                writer.transport.abort()

        for method, expected in (("GET", 200), ("POST", None)):
            served = 0
            async with serving(answer) as (server, made):
                client = made.client(allowed_origins=[server.origin], purpose=Purpose.PROVIDER_API)
                await client.request("GET", server.origin)
                if expected:
                    assert (await client.request(method, server.origin)).status == expected
                else:
                    with pytest.raises(HttpUncertain):
                        await client.request(method, server.origin)
                assert server.requests == (3 if expected else 2)

    async def test_answers_are_capped(self) -> None:
        size = 8 * 1024 * 1024 + 1
        raw = f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode() + bytes(size)
        async with serving(says(raw)) as (server, made):
            client = made.client(allowed_origins=None, purpose=Purpose.RESULT)
            with pytest.raises(HttpUncertain, match="too large"):
                await client.request("GET", server.origin)

    async def test_drip_ends_at_the_deadline(self) -> None:
        async def answer(state: RawServer, reader: Recorder, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while not writer.is_closing():
                writer.write(b"x")
                await asyncio.sleep(0.02)

        async with serving(answer) as (server, made):
            client = made.client(allowed_origins=None, purpose=Purpose.RESULT)
            began = time.monotonic()
            with pytest.raises(HttpUncertain):
                await client.request("GET", server.origin, timeout_s=0.3)
            assert time.monotonic() - began < 1

    async def test_cookies_are_forgotten(self) -> None:
        raw = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
        async with serving(says(raw)) as (server, made):
            client = made.client(allowed_origins=None, purpose=Purpose.RESULT)
            await client.request("GET", server.origin)
            await client.request("GET", server.origin)
        assert b"ookie" not in server.received

    async def test_proxies_of_the_environment_are_ignored(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("http_proxy", free_origin())
        async with serving(says(OK)) as (server, made):
            client = made.client(allowed_origins=None, purpose=Purpose.RESULT)
            assert (await client.request("GET", server.origin)).status == 200

    @pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "Connection"])
    async def test_framing_is_not_the_callers(self, name: str) -> None:
        async with serving(says(OK)) as (server, made):
            client = made.client(allowed_origins=[server.origin], purpose=Purpose.PROVIDER_API)
            with pytest.raises(ValueError, match="frames"):
                await client.request("GET", server.origin, headers={name: "x"})
            with pytest.raises(ValueError):
                await client.request("GET", server.origin, headers={"X": "a\r\nb: c"})
        assert not server.connections

    async def test_refused_inside_a_transaction(self) -> None:
        async with serving(says(OK)) as (server, made):
            client = made.client(allowed_origins=None, purpose=Purpose.RESULT)
            with transaction_open():
                with pytest.raises(RuntimeError, match="open database transaction"):
                    await client.request("GET", server.origin)
                with pytest.raises(RuntimeError, match="open database transaction"):
                    async with client.stream(server.origin):
                        pass
        assert not server.connections

    async def test_a_providers_client_needs_origins(self) -> None:
        async with gateway() as made:
            with pytest.raises(ValueError):
                made.client(allowed_origins=None, purpose=Purpose.PROVIDER_API)


async def _download(client: HttpClient, url: str, timeout_s: float = 60) -> bytes:
    async with client.stream(url, timeout_s=timeout_s) as download:
        return b"".join([chunk async for chunk in download.chunks])


class TestStream:
    async def test_a_large_file_and_its_end(self) -> None:
        data = bytes(range(256)) * 20_000
        raw = f"HTTP/1.1 200 OK\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data
        async with serving(says(raw)) as (server, made):
            client = made.client(allowed_origins=None, purpose=Purpose.RESULT)
            assert await _download(client, f"{server.origin}/file") == data
        assert b"Accept-Encoding: identity" in server.received

    async def test_cut_short(self) -> None:
        raw = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 10
        async with serving(says(raw)) as (server, made):
            client = made.client(allowed_origins=None, purpose=Purpose.RESULT)
            with pytest.raises(HttpUncertain):
                await _download(client, server.origin)

    async def test_the_consumer_may_stop_early(self) -> None:
        raw = b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n" + bytes(1_000_000)
        async with serving(says(raw)) as (server, made):
            client = made.client(allowed_origins=None, purpose=Purpose.RESULT)
            async with client.stream(server.origin) as download:
                async for _ in download.chunks:
                    break
            await asyncio.wait_for(server.ended.wait(), 5)

    @pytest.mark.parametrize("limit", ["deadline", "idle", "speed"])
    async def test_too_slow(self, limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(http_body, "IDLE_S", 0.2 if limit == "idle" else 30)
        monkeypatch.setattr(http_body, "_SLOW_AFTER_S", 0.2 if limit == "speed" else 30)

        async def answer(state: RawServer, reader: Recorder, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            while not writer.is_closing():
                if limit != "idle":
                    writer.write(b"x")
                await asyncio.sleep(0.02)

        async with serving(answer) as (server, made):
            client = made.client(allowed_origins=None, purpose=Purpose.RESULT)
            began = time.monotonic()
            timeout_s = 0.3 if limit == "deadline" else 60
            with pytest.raises(HttpUncertain):
                await _download(client, server.origin, timeout_s)
            assert time.monotonic() - began < 2
