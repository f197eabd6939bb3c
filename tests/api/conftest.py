"""The real application behind a real socket, and people who use it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from pixsim7_backend.bootstrap.container import Container
from pixsim7_backend.domain import User
from pixsim7_backend.main import create_app
from tests.conftest import PASSWORD, Factory, eventually


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[str]:
    """The address of the application, served by uvicorn on a free port."""
    # With the protocol named, asyncio turns Nagle's algorithm off on what it accepts.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        log_config=None,
        lifespan="on",
        ws="none",
        timeout_keep_alive=60,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))

    async def started() -> bool:
        return server.started

    await eventually(started, every_s=0.005)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()


@pytest.fixture
def app(container: Container) -> FastAPI:
    return create_app(container)


@pytest.fixture
async def base_url(app: FastAPI) -> AsyncIterator[str]:
    async with serving(app) as url:
        yield url


@dataclass
class Person:
    """Somebody signed in, and a client that speaks for them."""

    user: User
    client: httpx.AsyncClient
    tokens: dict[str, Any]

    async def api_token(self, *scopes: str) -> str:
        answer = await self.client.post(
            "/api/v1/auth/tokens", json={"name": "test", "scopes": scopes}
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])


class People:
    """Makes people, each with a client of their own."""

    def __init__(self, base_url: str, make: Factory) -> None:
        self.base_url = base_url
        self._make = make
        self._clients: list[httpx.AsyncClient] = []

    def stranger(self, **headers: str) -> httpx.AsyncClient:
        client = httpx.AsyncClient(base_url=self.base_url, headers=headers, timeout=20)
        self._clients.append(client)
        return client

    async def person(self, role: str = "user", **quotas: Any) -> Person:
        user = await self._make.user(role, **quotas)
        client = self.stranger()
        answer = await client.post(
            "/api/v1/auth/login", json={"email": user.email, "password": PASSWORD}
        )
        assert answer.status_code == 200, answer.text
        tokens = answer.json()
        client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        return Person(user, client, tokens)

    async def close(self) -> None:
        for client in self._clients:
            await client.aclose()


@pytest.fixture
async def people(base_url: str, make: Factory) -> AsyncIterator[People]:
    found = People(base_url, make)
    yield found
    await found.close()


@pytest.fixture
async def ada(people: People) -> Person:
    return await people.person()


@pytest.fixture
async def bob(people: People) -> Person:
    return await people.person()


@pytest.fixture
async def admin(people: People) -> Person:
    return await people.person("admin")


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check the shape of an error and return it."""
    assert answer.status_code == status, (answer.status_code, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert set(body) == {
        "type", "title", "status", "detail", "code", "instance", "request_id", "fields",
    }  # fmt: skip
    assert body["code"] == code, body
    assert body["status"] == status
    assert body["type"] == f"urn:pixsim7:problem:{code}"
    assert body["request_id"] == answer.headers["x-request-id"]
    assert body["instance"] == answer.request.url.path
    return body


def field(body: dict[str, Any], name: str) -> dict[str, Any]:
    """The entry of one field in a problem."""
    found = [item for item in body["fields"] if item["field"] == name]
    assert found, body["fields"]
    return dict(found[0])
