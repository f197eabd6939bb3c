"""Redirects and names: every hop and every answer is checked, down to the socket."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from pixsim7_backend.domain.provider import HttpNotSent, HttpUncertain
from pixsim7_backend.infrastructure.http import HttpGateway
from pixsim7_backend.infrastructure.http_policy import AddressPolicy, Purpose, Target
from tests.infrastructure.http_servers import (
    OK,
    Names,
    RawServer,
    Recorder,
    free_origin,
    gateway,
    raw_server,
    says,
    serving,
    tls_contexts,
)


def _redirect(location: str) -> bytes:
    return f"HTTP/1.1 302 X\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


class TestRedirects:
    async def test_followed_and_credentials_dropped_across_origins(self) -> None:
        headers = {"Authorization": "Bearer canary", "API-KEY": "canary", "Range": "bytes=0-"}
        async with (
            raw_server(says(OK)) as cdn,
            raw_server(says(_redirect(cdn.origin))) as api,
            gateway(cdn.origin, api.origin) as made,
        ):
            client = made.client(allowed_origins=[api.origin], purpose=Purpose.RESULT)
            async with client.stream(f"{api.origin}/content", headers=headers) as download:
                assert download.status == 200
        assert api.received.count(b"canary") == 2
        assert b"canary" not in cdn.received
        assert b"Range: bytes=0-" in cdn.received

    async def test_credentials_do_not_go_to_a_foreign_result_host(self) -> None:
        async with serving(says(OK)) as (server, made):
            client = made.client(
                allowed_origins=["https://api.vendor.example"], purpose=Purpose.RESULT
            )
            await client.request("GET", server.origin, headers={"X-Api-Key": "canary"})
        assert b"canary" not in server.received

    async def test_relative(self) -> None:
        async def answer(state: RawServer, reader: Recorder, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(OK if b"GET /final" in head else _redirect("/final?x=1"))

        async with serving(answer) as (server, made):
            client = made.client(allowed_origins=[server.origin], purpose=Purpose.PROVIDER_API)
            assert (await client.request("GET", f"{server.origin}/a")).status == 200

    async def test_at_most_three(self) -> None:
        async with serving(says(_redirect("/again"))) as (server, made):
            client = made.client(allowed_origins=None, purpose=Purpose.RESULT)
            with pytest.raises(HttpUncertain, match="too many"):
                await client.request("GET", server.origin)
        assert server.requests == 4

    @pytest.mark.parametrize(
        "location",
        [
            "http://127.0.0.1:1/",
            "https://127.0.0.1/",
            "https://169.254.169.254/latest/meta-data/",
            "https://[::1]/",
            "https://[fd00:ec2::254]/",
            "https://2130706433/",
            "https://0x7f.1/",
            "http://example.com/",
            "https://example.com:8443/",
            "https://u:p@example.com/",
            "file:///etc/passwd",
            "//127.0.0.1/",
            "https://[::ffff:127.0.0.1]/",
            "https://[",
            "\\\\127.0.0.1\\",
        ],
    )
    async def test_each_hop_is_checked(self, location: str) -> None:
        async with serving(says(_redirect(location))) as (server, made):
            client = made.client(allowed_origins=None, purpose=Purpose.RESULT)
            with pytest.raises(HttpUncertain, match="redirected"):
                await client.request("GET", server.origin)
        assert server.requests == 1

    async def test_a_redirect_to_an_exempt_origin_needs_the_purpose(self) -> None:
        async with raw_server(says(OK)) as inner, raw_server(says(_redirect(inner.origin))) as hook:
            made = HttpGateway(
                policy=AddressPolicy(
                    allow_private_origins=[inner.origin], allow_private_webhooks=[hook.origin]
                ),
                user_agent="t",
            )
            await made.open()
            client = made.client(allowed_origins=None, purpose=Purpose.WEBHOOK)
            assert (await client.request("GET", hook.origin)).status == 302
            await made.close()
        assert not inner.connections

    async def test_a_post_is_not_redirected(self) -> None:
        async with serving(says(_redirect("/again"))) as (server, made):
            client = made.client(allowed_origins=[server.origin], purpose=Purpose.PROVIDER_API)
            assert (await client.request("POST", server.origin, json={})).status == 302
        assert server.requests == 1


class TestNames:
    @pytest.mark.parametrize(
        "answers",
        [
            ["127.0.0.1"],
            ["8.8.8.8", "127.0.0.1"],
            ["127.0.0.1", "8.8.8.8"],
            ["::1"],
            ["2606:4700::1", "fd00::1"],
            ["::ffff:127.0.0.1"],
            ["64:ff9b::7f00:1"],
            ["169.254.169.254"],
            ["0.0.0.0"],
        ],
    )
    @pytest.mark.parametrize("purpose", [Purpose.RESULT, Purpose.USER_URL, Purpose.WEBHOOK])
    async def test_every_answer_must_be_public(self, answers: list[str], purpose: Purpose) -> None:
        async with gateway(names=Names(evil=[answers])) as made:
            client = made.client(allowed_origins=None, purpose=purpose)
            with pytest.raises(HttpNotSent, match="not public"):
                await client.request("GET", "https://evil.test/")

    async def test_a_rebinding_name_gets_one_look_for_each_connection(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The first answer is checked and connected to; the second, private one, is refused."""
        connected: list[Any] = []

        def no_socket(address: Any) -> Any:
            connected.append(address[4][0])
            raise OSError("no network in tests")

        names = Names(rebind=[["203.0.112.7"], ["127.0.0.1"]])
        async with gateway(names=names) as made:
            connector: Any = made.session(fresh=False).connector
            monkeypatch.setattr(connector, "_socket_factory", no_socket)
            client = made.client(allowed_origins=None, purpose=Purpose.USER_URL)
            with pytest.raises(HttpNotSent):
                await client.request("GET", "https://rebind.test/")
            assert connected == ["203.0.112.7"]
            assert names.asked == ["rebind.test"]
            with pytest.raises(HttpNotSent, match="loopback"):
                await client.request("GET", "https://rebind.test/")
            assert connected == ["203.0.112.7"]

    async def test_a_lying_resolver_is_caught_at_the_socket(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with raw_server(says(OK)) as server:
            port = int(server.origin.rpartition(":")[2])
            names = Names(evil=[["127.0.0.1"]])
            async with gateway(names=names) as made:
                connector: Any = made.session(fresh=False).connector
                monkeypatch.setattr(connector, "_resolver", names)  # unchecked
                monkeypatch.setattr(
                    made.policy, "check", lambda *_: _unchecked(f"http://evil.test:{port}/")
                )
                client = made.client(allowed_origins=None, purpose=Purpose.USER_URL)
                with pytest.raises(HttpNotSent, match="loopback"):
                    await client.request("GET", "https://evil.test/")
        assert not server.connections

    async def test_a_pooled_connection_is_no_way_around(self) -> None:
        """The same private origin, first exempt, then asked for by someone who is not."""
        async with serving(says(OK, close=False)) as (server, made):
            await made.client(allowed_origins=None, purpose=Purpose.RESULT).request(
                "GET", server.origin
            )
            client: Any = made.client(allowed_origins=None, purpose=Purpose.USER_URL)
            with pytest.raises(HttpNotSent):
                await client.request("GET", server.origin)
            client._check = lambda *_: _unchecked(server.origin)
            with pytest.raises(HttpNotSent, match="loopback"):
                await client.request("GET", server.origin)
        assert server.requests == 1

    async def test_name_is_sent_as_host(self) -> None:
        async with raw_server(says(OK)) as server:
            port = server.origin.rpartition(":")[2]
            origin = f"http://comfy.lan:{port}"
            async with gateway(origin, names=Names(comfy=[["127.0.0.1"]])) as made:
                client = made.client(allowed_origins=[origin], purpose=Purpose.PROVIDER_API)
                await client.request("GET", f"{origin}/x")
        assert f"Host: comfy.lan:{port}".encode() in server.received

    async def test_errors_do_not_show_the_url(self) -> None:
        origin = free_origin()
        async with gateway(origin) as made:
            client = made.client(allowed_origins=[origin], purpose=Purpose.PROVIDER_API)
            with pytest.raises(HttpNotSent) as caught:
                await client.request("GET", f"{origin}/x?signature=canary")
        assert "canary" not in str(caught.value)


def _unchecked(url: str) -> Any:
    return Target(URL(url), url.rstrip("/"), is_exempt=False)


class TestTls:
    """The connection goes to the checked address; the certificate must be the name's."""

    @pytest.mark.parametrize(("host", "is_trusted"), [("api.vendor.test", True), ("x.test", False)])
    async def test_name_goes_into_sni_and_is_verified(
        self, tmp_path: Path, host: str, is_trusted: bool
    ) -> None:
        asked: list[str] = []
        client_side, server_side = tls_contexts(tmp_path, "api.vendor.test", asked)
        async with raw_server(says(OK), server_side) as server:
            port = server.origin.rpartition(":")[2]
            origin = f"https://{host}:{port}"
            made = HttpGateway(
                policy=AddressPolicy(allow_private_origins=[origin]),
                user_agent="t",
                resolver=Names(api=[["127.0.0.1"]], x=[["127.0.0.1"]]),
                ssl_context=client_side,
            )
            await made.open()
            hooks: list[None] = []

            async def hook() -> None:
                hooks.append(None)

            client = made.billable_client(allowed_origins=[origin], before_first_byte=hook)
            if is_trusted:
                assert (await client.request_billable("POST", f"{origin}/x")).status == 200
                assert f"Host: {host}:{port}".encode() in server.received
            else:
                with pytest.raises(HttpNotSent):
                    await client.request_billable("POST", f"{origin}/x")
                assert not hooks
                assert not server.received
            await made.close()
        assert asked == [host]
