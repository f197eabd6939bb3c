"""Uploads in chunks: they go on after they broke off, on any machine, and leave nothing behind."""

import asyncio
import hashlib
import io
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
from PIL import Image
from sqlalchemy import func, update

from pixsim7_backend.bootstrap.container import Container
from pixsim7_backend.domain import Upload
from pixsim7_backend.domain.upload import MAX_CHUNK_BYTES, MAX_OPEN_UPLOADS, MIN_CHUNK_BYTES
from pixsim7_backend.main import create_app
from tests.api.conftest import People, Person, field, problem, serving

CHUNK = MIN_CHUNK_BYTES


def noise(side: int = 256) -> bytes:
    """A picture of some 200 KB that no compression makes small, other each time."""
    file = io.BytesIO()
    Image.frombytes("RGB", (side, side), os.urandom(3 * side * side)).save(file, "PNG")
    return file.getvalue()


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def begin(person: Person, content: bytes, **more: Any) -> dict[str, Any]:
    body = {"name": "noise.png", "size_bytes": len(content), **more}
    answer = await person.client.post("/api/v1/uploads", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def append(person: Person, upload: Any, offset: int, content: bytes) -> httpx.Response:
    headers = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
    url = f"/api/v1/uploads/{upload['id']}"
    return await person.client.patch(url, content=content, headers=headers)


async def send(person: Person, upload: Any, content: bytes, start: int = 0) -> None:
    for offset in range(start, len(content), CHUNK):
        answer = await append(person, upload, offset, content[offset : offset + CHUNK])
        assert answer.status_code == 200, answer.text
        assert answer.json()["offset"] == min(offset + CHUNK, len(content))


async def finish(person: Person, upload: Any) -> httpx.Response:
    return await person.client.post(f"/api/v1/uploads/{upload['id']}/finish")


def parts_left(container: Container) -> int:
    directory = container.settings.data_dir / "media" / "uploads"
    return len(os.listdir(directory)) if directory.exists() else 0


async def test_a_file_in_chunks_becomes_an_asset(ada: Person, container: Container) -> None:
    content = noise()
    upload = await begin(ada, content, sha256=digest(content), tags=["Sea"])
    assert (upload["offset"], upload["asset"]) == (0, None)
    assert upload["max_chunk_bytes"] == MAX_CHUNK_BYTES
    await send(ada, upload, content)
    assert parts_left(container) == -(-len(content) // CHUNK)
    answer = await finish(ada, upload)
    assert answer.status_code == 201, answer.text
    asset = answer.json()
    assert (asset["sha256"], asset["size_bytes"]) == (digest(content), len(content))
    assert (asset["name"], asset["tags"], asset["origin"]) == ("noise.png", ["sea"], "uploaded")
    file = await ada.client.get(f"/api/v1/assets/{asset['id']}/file")
    assert file.content == content
    assert parts_left(container) == 0
    again = await finish(ada, upload)
    assert (again.status_code, again.json()["id"]) == (201, asset["id"])
    seen = (await ada.client.get(f"/api/v1/uploads/{upload['id']}")).json()
    assert (seen["offset"], seen["asset"]["id"]) == (len(content), asset["id"])
    assert (await ada.client.get("/api/v1/uploads")).json() == {"items": []}


async def test_it_goes_on_after_a_lost_answer_on_another_machine(
    ada: Person, container: Container
) -> None:
    content = noise()
    upload = await begin(ada, content)
    assert (await append(ada, upload, 0, content[:CHUNK])).status_code == 200
    twice = problem(await append(ada, upload, 0, content[:CHUNK]), 409, "upload_offset_mismatch")
    assert field(twice, "Upload-Offset")["allowed"] == [CHUNK]
    ahead = await append(ada, upload, 2 * CHUNK, content[2 * CHUNK : 3 * CHUNK])
    problem(ahead, 409, "upload_offset_mismatch")
    assert parts_left(container) == 1
    elsewhere = await Container.open(container.settings)
    try:
        async with serving(create_app(elsewhere)) as url:
            headers = {"Authorization": ada.client.headers["Authorization"]}
            async with httpx.AsyncClient(base_url=url, headers=headers, timeout=20) as client:
                there = Person(ada.user, client, ada.tokens)
                listed = (await client.get("/api/v1/uploads")).json()["items"]
                assert [(item["id"], item["offset"]) for item in listed] == [(upload["id"], CHUNK)]
                await send(there, upload, content, CHUNK)
    finally:
        await elsewhere.close()
    assert (await finish(ada, upload)).json()["sha256"] == digest(content)


async def test_of_two_same_chunks_at_once_one_counts(ada: Person, container: Container) -> None:
    content = noise()
    upload = await begin(ada, content)
    answers = await asyncio.gather(*(append(ada, upload, 0, content[:CHUNK]) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409]
    assert parts_left(container) == 1
    await send(ada, upload, content, CHUNK)
    finished = await asyncio.gather(*(finish(ada, upload) for _ in range(3)))
    assert [answer.status_code for answer in finished] == [201, 201, 201]
    assert len({answer.json()["id"] for answer in finished}) == 1
    assert parts_left(container) == 0


async def test_chunks_have_bounds(ada: Person, container: Container) -> None:
    content = noise()
    upload = await begin(ada, content)
    for short in (b"", content[: CHUNK - 1]):
        field(problem(await append(ada, upload, 0, short), 422, "invalid_input"), "body")
    more = await append(ada, upload, 0, content + b"x")
    problem(more, 413, "blob_too_large")
    large = b"x" * (MAX_CHUNK_BYTES + 1)
    problem(await append(ada, upload, 0, large), 413, "body_too_large")
    bare = await ada.client.patch(f"/api/v1/uploads/{upload['id']}", content=content[:CHUNK])
    field(problem(bare, 422, "invalid_input"), "Upload-Offset")
    assert parts_left(container) == 0
    assert (await ada.client.get(f"/api/v1/uploads/{upload['id']}")).json()["offset"] == 0


async def test_of_a_chunk_that_breaks_off_nothing_is_kept(
    ada: Person, people: People, container: Container
) -> None:
    content = noise()
    upload = await begin(ada, content)
    address = httpx.URL(people.base_url)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    head = (
        f"PATCH /api/v1/uploads/{upload['id']} HTTP/1.1\r\nHost: {address.host}\r\n"
        f"Authorization: {ada.client.headers['Authorization']}\r\n"
        f"Upload-Offset: 0\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    writer.write(head.encode() + content[:CHUNK])
    writer.write_eof()
    await reader.read()  # the server has done with it
    writer.close()
    assert parts_left(container) == 0
    assert (await ada.client.get(f"/api/v1/uploads/{upload['id']}")).json()["offset"] == 0

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(MAX_CHUNK_BYTES // 2**20 + 1):
            yield b"x" * 2**20

    film = await begin(ada, content, size_bytes=10 * MAX_CHUNK_BYTES)
    answer = await ada.client.patch(
        f"/api/v1/uploads/{film['id']}", content=endless(), headers={"Upload-Offset": "0"}
    )
    problem(answer, 413, "body_too_large")
    assert parts_left(container) == 0


async def test_a_chunk_of_the_largest_size(ada: Person, container: Container) -> None:
    content = os.urandom(MAX_CHUNK_BYTES + 5)
    upload = await begin(ada, content)
    first = await append(ada, upload, 0, content[:MAX_CHUNK_BYTES])
    assert first.json()["offset"] == MAX_CHUNK_BYTES
    last = await append(ada, upload, MAX_CHUNK_BYTES, content[MAX_CHUNK_BYTES:])
    assert last.json()["offset"] == len(content)
    assert parts_left(container) == 2


async def test_what_is_refused_at_the_end_makes_no_asset(ada: Person) -> None:
    content = noise()
    upload = await begin(ada, content, sha256="0" * 64)
    problem(await finish(ada, upload), 409, "upload_incomplete")
    await send(ada, upload, content)
    field(problem(await finish(ada, upload), 422, "upload_hash_mismatch"), "sha256")
    text = b"hello " * 20_000
    upload = await begin(ada, text)
    await send(ada, upload, text)
    field(problem(await finish(ada, upload), 422, "not_media"), "file")
    assert (await ada.client.get("/api/v1/assets")).json()["items"] == []


async def test_bytes_that_are_there_need_not_be_sent(ada: Person, bob: Person) -> None:
    content = noise()
    answer = await ada.client.post("/api/v1/assets", files={"file": ("a.png", content)})
    asset = answer.json()
    await ada.client.delete(f"/api/v1/assets/{asset['id']}")
    upload = await begin(ada, content, sha256=digest(content))
    assert upload["asset"]["id"] == asset["id"]
    assert upload["asset"]["trashed_at"] is None
    assert upload["offset"] == upload["size_bytes"] == len(content)
    assert (await finish(ada, upload)).json()["id"] == asset["id"]
    foreign = await begin(bob, content, sha256=digest(content))
    assert (foreign["asset"], foreign["offset"]) == (None, 0)
    await ada.client.delete(f"/api/v1/assets/{asset['id']}?permanent=true")
    problem(await finish(ada, upload), 404, "upload_not_found")


async def test_limits_are_told_at_once_and_kept_at_the_end(
    people: People, container: Container
) -> None:
    content = noise()
    cleo = await people.person(max_storage_bytes=len(content) + 10)
    too_large = {"name": "film.mp4", "size_bytes": container.settings.max_upload_bytes + 1}
    answer = await cleo.client.post("/api/v1/uploads", json=too_large)
    field(problem(answer, 413, "blob_too_large"), "size_bytes")
    over = {"name": "a.png", "size_bytes": len(content) + 11}
    problem(await cleo.client.post("/api/v1/uploads", json=over), 429, "quota_exceeded")
    others = [noise(), noise()]
    uploads = [await begin(cleo, other, size_bytes=len(other)) for other in others]
    for upload, other in zip(uploads, others, strict=True):
        await send(cleo, upload, other)
    answers = await asyncio.gather(*(finish(cleo, upload) for upload in uploads))
    assert sorted(answer.status_code for answer in answers) == [201, 429]
    usage = await container.services.assets.get_user_asset_count(cleo.user.id)
    assert usage == 1


async def test_open_uploads_are_bounded_also_when_begun_at_once(ada: Person) -> None:
    body = {"name": "a.png", "size_bytes": 10}
    answers = await asyncio.gather(
        *(ada.client.post("/api/v1/uploads", json=body) for _ in range(MAX_OPEN_UPLOADS + 3))
    )
    codes = [answer.status_code for answer in answers]
    assert (codes.count(201), codes.count(429)) == (MAX_OPEN_UPLOADS, 3)
    one = next(answer.json() for answer in answers if answer.status_code == 201)
    assert (await ada.client.delete(f"/api/v1/uploads/{one['id']}")).status_code == 204
    assert (await ada.client.post("/api/v1/uploads", json=body)).status_code == 201


async def test_others_do_not_see_it(ada: Person, bob: Person, container: Container) -> None:
    content = noise()
    upload = await begin(ada, content)
    await send(ada, upload, content)
    problem(await append(bob, upload, len(content), b"x"), 404, "upload_not_found")
    problem(await finish(bob, upload), 404, "upload_not_found")
    url = f"/api/v1/uploads/{upload['id']}"
    problem(await bob.client.get(url), 404, "upload_not_found")
    problem(await bob.client.delete(url), 404, "upload_not_found")
    workspace = (await bob.client.post("/api/v1/workspaces", json={"name": "Mine"})).json()
    body = {"name": "a.png", "size_bytes": 10, "workspace_id": workspace["id"]}
    answer = await ada.client.post("/api/v1/uploads", json=body)
    field(problem(answer, 422, "invalid_input"), "workspace_id")
    assert (await ada.client.delete(url)).status_code == 204
    problem(await ada.client.get(url), 404, "upload_not_found")
    assert parts_left(container) == 0


async def test_what_nobody_finishes_is_gone_after_a_day(ada: Person, container: Container) -> None:
    content = noise()
    old, young = await begin(ada, content), await begin(ada, content)
    for upload in (old, young):
        assert (await append(ada, upload, 0, content[:CHUNK])).status_code == 200
    async with container.database.transaction() as tx:
        await tx.session.execute(
            update(Upload)
            .where(Upload.id == UUID(old["id"]))
            .values(expires_at=func.now() - timedelta(seconds=1))
        )
    problem(await finish(ada, old), 404, "upload_not_found")
    orphan = container.settings.data_dir / "media" / "uploads" / ("0" * 32)
    orphan.write_bytes(b"a crash left it")
    long_ago = orphan.stat().st_mtime - 26 * 3600
    os.utime(orphan, (long_ago, long_ago))
    assert parts_left(container) == 3
    await container.services.upkeep.every_hour()
    assert parts_left(container) == 1
    await send(ada, young, content, CHUNK)
    assert (await finish(ada, young)).status_code == 201
