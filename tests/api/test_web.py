"""The built app is served as files; every page of it is the one page; the API stays the API."""

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from pixsim7_backend.api.web import install_web_app
from pixsim7_backend.bootstrap.container import Container
from pixsim7_backend.main import create_app
from tests.api.conftest import serving

INDEX = """<!doctype html><meta http-equiv="content-security-policy" content="script-src 'self'
 'sha256-abc='"><title>PixSim7</title>""".replace("\n", "")
SCRIPT = "export const answer = 42;"


@pytest.fixture
def built(tmp_path: Path) -> Path:
    chunks = tmp_path / "_app" / "immutable"
    chunks.mkdir(parents=True)
    (tmp_path / "index.html").write_text(INDEX)
    (chunks / "start.abc.js").write_text(SCRIPT)
    (chunks / "start.abc.js.gz").write_bytes(gzip.compress(SCRIPT.encode()))
    return tmp_path


async def _client(app: FastAPI, directory: Path) -> AsyncIterator[httpx.AsyncClient]:
    install_web_app(app, directory)
    async with serving(app) as url, httpx.AsyncClient(base_url=url) as client:
        yield client


@pytest.fixture
async def client(container: Container, built: Path) -> AsyncIterator[httpx.AsyncClient]:
    async for client in _client(create_app(container), built):
        yield client


async def test_every_page_is_the_one_page_under_its_policy(client: httpx.AsyncClient) -> None:
    for path in ("/", "/gallery", "/queue/0198", "/no/such/page", "/index.html"):
        answer = await client.get(path)
        assert answer.text == INDEX
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["cache-control"] == "no-cache"
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self' 'sha256-abc=';" in policy
        assert "frame-ancestors 'none'" in policy


async def test_a_hashed_file_is_kept_for_ever_and_sent_packed(client: httpx.AsyncClient) -> None:
    path = "/_app/immutable/start.abc.js"
    packed = await client.get(path, headers={"Accept-Encoding": "br, gzip"})
    plain = await client.get(path, headers={"Accept-Encoding": "gzip;q=0, identity"})

    assert packed.text == plain.text == SCRIPT
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.headers["etag"] != plain.headers["etag"]
    for answer in (packed, plain):
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-type"].startswith("text/javascript")
        assert answer.headers["vary"] == "Accept-Encoding"


async def test_an_unchanged_page_is_not_sent_again(client: httpx.AsyncClient) -> None:
    first = await client.get("/")
    again = await client.get("/", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    ["/_app/immutable/gone.js", "/api/v1/nothing", "/api/v1/assets/x/y/z", "/health/x"],
)
async def test_a_page_never_stands_in_for_data(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


async def test_only_reading(client: httpx.AsyncClient) -> None:
    answer = await client.post("/gallery")
    assert answer.status_code == 405
    assert (await client.put("/api/v1/jobs")).status_code == 405
    head = await client.head("/gallery")
    assert (head.status_code, head.content) == (200, b"")


async def test_no_way_out_of_the_folder(client: httpx.AsyncClient, built: Path) -> None:
    (built.parent / "secret.txt").write_text("secret")
    for path in ("/../secret.txt", "/%2e%2e/secret.txt", "//secret.txt", "/..%2fsecret.txt"):
        assert "secret" not in (await client.get(path)).text


async def test_without_a_build_a_page_says_so(container: Container, tmp_path: Path) -> None:
    async for client in _client(create_app(container), tmp_path / "absent"):
        answer = await client.get("/")
        assert "make web" in answer.text
        assert (await client.get("/api/v1/nothing")).status_code == 404
