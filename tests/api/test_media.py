"""The bytes: ranges, conditions, links, names, archives."""

import io
import zipfile
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from pixsim7_backend.api.transfer.byte_range import ByteRange, RangeNotSatisfiable, parse_range
from pixsim7_backend.api.transfer.disposition import content_disposition, safe_name
from pixsim7_backend.api.transfer.multipart import BadForm, read_form
from pixsim7_backend.api.transfer.zip_stream import unique_names
from pixsim7_backend.workers.worker import Worker
from tests.api.conftest import People, Person, field, problem
from tests.api.test_problems import picture


async def uploaded(person: Person, **form: str) -> dict[str, Any]:
    files = {"file": ("Sonne über Bergen.png", picture())}
    answer = await person.client.post("/api/v1/assets", data=form, files=files)
    assert answer.status_code == 201, answer.text
    asset: dict[str, Any] = answer.json()
    return asset


async def test_whole_and_not_modified(ada: Person) -> None:
    asset = await uploaded(ada)
    url = f"/api/v1/assets/{asset['id']}/file"
    whole = await ada.client.get(url)
    assert whole.content == picture()
    assert whole.headers["etag"] == f'"{asset["sha256"]}"'
    assert whole.headers["accept-ranges"] == "bytes"
    assert whole.headers["content-type"] == "image/png"
    assert whole.headers["cache-control"] == "private, no-cache"
    for known in (whole.headers["etag"], "*", f'W/{whole.headers["etag"]}, "other"'):
        again = await ada.client.get(url, headers={"If-None-Match": known})
        assert again.status_code == 304
        assert again.content == b""
        assert again.headers["etag"] == whole.headers["etag"]
    other = await ada.client.get(url, headers={"If-None-Match": '"other"'})
    assert other.status_code == 200
    head = await ada.client.head(url)
    assert head.status_code == 200
    assert head.headers["content-length"] == str(len(picture()))


async def test_a_range(ada: Person) -> None:
    asset = await uploaded(ada)
    url = f"/api/v1/assets/{asset['id']}/file"
    cases = [
        ("bytes=0-9", slice(0, 10)),
        ("bytes=5-", slice(5, None)),
        ("bytes=-7", slice(-7, None)),
        ("bytes=0-0", slice(0, 1)),
        ("bytes=0-999999", slice(0, None)),
    ]
    for header, expected in cases:
        part = await ada.client.get(url, headers={"Range": header})
        assert part.status_code == 206
        assert part.content == picture()[expected]
        assert part.headers["content-range"].endswith(f"/{len(picture())}")
        assert part.headers["content-length"] == str(len(part.content))


async def test_ranges_that_cannot_be(ada: Person) -> None:
    asset = await uploaded(ada)
    url = f"/api/v1/assets/{asset['id']}/file"
    beyond = await ada.client.get(url, headers={"Range": "bytes=100000-"})
    assert beyond.status_code == 416
    assert beyond.headers["content-range"] == f"bytes */{len(picture())}"
    for odd in ("bytes=5-2", "bytes=0-1,3-4", "items=0-1", "bytes=a-b", "bytes=" + "0-1," * 10_000):
        answer = await ada.client.get(url, headers={"Range": odd})
        assert answer.status_code in (200, 431, 400), odd[:20]
        if answer.status_code == 200:
            assert answer.content == picture()


async def test_if_range(ada: Person) -> None:
    asset = await uploaded(ada)
    url = f"/api/v1/assets/{asset['id']}/file"
    same = {"Range": "bytes=0-3", "If-Range": f'"{asset["sha256"]}"'}
    assert (await ada.client.get(url, headers=same)).status_code == 206
    other = {"Range": "bytes=0-3", "If-Range": '"another"'}
    assert (await ada.client.get(url, headers=other)).status_code == 200


async def test_a_served_file_is_inert(ada: Person) -> None:
    asset = await uploaded(ada)
    answer = await ada.client.get(f"/api/v1/assets/{asset['id']}/file")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    name = answer.headers["content-disposition"]
    assert name.startswith('inline; filename="Sonne uber Bergen.png"')
    assert "filename*=UTF-8''Sonne%20%C3%BCber%20Bergen.png" in name
    download = await ada.client.get(f"/api/v1/assets/{asset['id']}/file?download=true")
    assert download.headers["content-disposition"].startswith("attachment; ")


async def test_signed_links(people: People, ada: Person, bob: Person, worker: Worker) -> None:
    asset = await uploaded(ada)
    while not asset["urls"]["thumbnail_480"]:
        asset = (await ada.client.get(f"/api/v1/assets/{asset['id']}")).json()
    urls = asset["urls"]
    assert urls["preview"] is None
    stranger = people.stranger()
    for name in ("file", "download", "poster", "thumbnail_240", "thumbnail_480", "thumbnail_960"):
        answer = await stranger.get(urls[name])
        assert answer.status_code == 200, (name, answer.text)
        assert "immutable" in answer.headers["cache-control"]
    again = (await ada.client.get(f"/api/v1/assets/{asset['id']}")).json()
    assert again["urls"] == urls
    # Not for another asset, kind, person or purpose.
    other = await uploaded(bob)
    for wrong in (
        urls["file"].replace(asset["id"], other["id"]),
        urls["file"].replace("/file", "/poster"),
        urls["file"] + "&download=true",
        urls["file"][:-2],
        urls["thumbnail_240"].replace("size=240", "size=960"),
    ):
        problem(await stranger.get(wrong), 404, "asset_not_found")
    assert (await ada.client.post("/api/v1/auth/logout")).status_code == 204
    problem(await stranger.get(urls["file"]), 404, "asset_not_found")


async def test_links_of_an_api_token_end_with_it(people: People, ada: Person) -> None:
    asset = await uploaded(ada)
    token = await ada.api_token("read")
    program = people.stranger(Authorization=f"Bearer {token}")
    urls = (await program.get(f"/api/v1/assets/{asset['id']}")).json()["urls"]
    assert (await people.stranger().get(urls["file"])).status_code == 200
    tokens = (await ada.client.get("/api/v1/auth/tokens")).json()["items"]
    await ada.client.delete(f"/api/v1/auth/tokens/{tokens[0]['id']}")
    problem(await people.stranger().get(urls["file"]), 404, "asset_not_found")


async def test_what_is_not_made_yet_says_so(ada: Person) -> None:
    asset = await uploaded(ada)
    answer = await ada.client.get(f"/api/v1/assets/{asset['id']}/thumbnail?size=240")
    problem(answer, 409, "asset_not_ready")
    answer = await ada.client.get(f"/api/v1/assets/{asset['id']}/thumbnail?size=5000")
    problem(answer, 422, "invalid_input")


# --- upload -----------------------------------------------------------------------------------


async def test_upload_with_fields(ada: Person) -> None:
    workspace = (await ada.client.post("/api/v1/workspaces", json={"name": "Mine"})).json()
    asset = await uploaded(ada, workspace_id=workspace["id"], tags="Sunset, reference")
    assert asset["workspace_id"] == workspace["id"]
    assert asset["tags"] == ["reference", "sunset"]
    assert asset["name"] == "Sonne über Bergen.png"
    assert (asset["width"], asset["height"]) == (64, 48)
    twin = await uploaded(ada)
    assert twin["id"] == asset["id"]


async def test_a_given_name_is_only_a_name(people: People) -> None:
    for name in ("../../etc/passwd.png", "C:\\x\\a.png", "\x00\x1b[31ma.png"):
        eve = await people.person()
        answer = await eve.client.post("/api/v1/assets", files={"file": (name, picture())})
        assert answer.status_code == 201, answer.text
        assert not set(answer.json()["name"]) & set("/\\\x00\x1b")


async def test_wrong_forms(ada: Person) -> None:
    post = ada.client.post
    for fields in ({"colour": "red"}, {"workspace_id": "mine"}):
        answer = await post("/api/v1/assets", data=fields, files={"file": ("a", picture())})
        assert field(problem(answer, 422, "bad_form"), next(iter(fields)))
    problem(await post("/api/v1/assets", data={"tags": "a"}), 422, "bad_form")
    problem(await post("/api/v1/assets", json={}), 422, "bad_form")
    problem(await post("/api/v1/assets", files={"picture": ("a", b"x")}), 422, "bad_form")
    two = [("file", ("a.png", picture())), ("file", ("b.png", picture()))]
    problem(await post("/api/v1/assets", files=two), 422, "bad_form")
    cut = await post(
        "/api/v1/assets",
        content=b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        + picture(),
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    )
    problem(cut, 422, "bad_form")
    assert (await ada.client.get("/api/v1/assets")).json()["items"] == []


async def _pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


@pytest.mark.parametrize("size", [1, 2, 7, 64, 100_000])
async def test_a_form_in_any_pieces(size: int) -> None:
    data = bytes(range(256)) * 8 + b"\r\n--b\r--b\r\n-"
    body = (
        b'--b\r\nContent-Disposition: form-data; name="tags"\r\n\r\nsun\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n'
        b"Content-Type: image/png\r\n\r\n" + data + b"\r\n--b--\r\n"
    )
    body = body.replace(b"--b", b"--boundary").replace(b"\r\n--boundary\r--boundary", b"\r\n-x")
    form = await read_form("multipart/form-data; boundary=boundary", _pieces(body, size))
    assert form.fields == {"tags": "sun"}
    assert form.filename == "a.png"
    content = b"".join([chunk async for chunk in form.chunks])
    assert content.startswith(bytes(range(256)))
    assert len(content) > 2000


@pytest.mark.parametrize(
    "content_type",
    ["", "application/json", "multipart/form-data", "multipart/form-data; boundary="],
)
async def test_what_is_no_form(content_type: str) -> None:
    with pytest.raises(BadForm):
        await read_form(content_type, _pieces(b"x", 1))


async def test_a_long_field_is_refused() -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="tags"\r\n\r\n' + b"x" * 100_000
    with pytest.raises(BadForm, match="too long"):
        await read_form("multipart/form-data; boundary=b", _pieces(body, 1000))


# --- archive ----------------------------------------------------------------------------------


async def test_an_archive(ada: Person) -> None:
    asset = await uploaded(ada)
    body = {"ids": [asset["id"], asset["id"]], "name": "Spring / 2026"}
    answer = await ada.client.post("/api/v1/assets/archive", json=body)
    assert answer.headers["content-type"] == "application/zip"
    assert 'filename="Spring 2026.zip"' in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["Sonne über Bergen.png"]
        assert archive.read("Sonne über Bergen.png") == picture()


# --- the pieces -------------------------------------------------------------------------------


def test_ranges() -> None:
    assert parse_range("bytes=0-4", 10) == ByteRange(0, 5)
    assert parse_range("bytes=-20", 10) == ByteRange(0, 10)
    assert parse_range("bytes=9-", 10) == ByteRange(9, 10)
    for odd in (
        None,
        "",
        "bytes=",
        "bytes=-",
        "bytes=1-0",
        "bytes=1-2,4-5",
        "bytes = 0-1",
        "x=1-2",
    ):
        assert parse_range(odd, 10) is None
    for beyond in ("bytes=10-", "bytes=-0", "bytes=99999999999999999-"):
        with pytest.raises(RangeNotSatisfiable):
            parse_range(beyond, 10)


def test_names() -> None:
    assert safe_name("../a\x00b\n<c>") == "ab c"
    assert safe_name("..") == ""
    assert unique_names(["a.png", "A.png", "a.png", "b"]) == [
        "a.png",
        "A (2).png",
        "a (3).png",
        "b",
    ]
    evil = content_disposition('a"; filename="b\r\nX: y', is_download=True)
    assert "\r" not in evil
    assert evil.count('"') == 2


async def test_bulk_and_facets(ada: Person) -> None:
    asset = await uploaded(ada)
    post = ada.client.post
    steps: list[dict[str, Any]] = [
        {"action": "favourite", "value": True},
        {"action": "tag", "value": ["blue"]},
        {"action": "tag", "value": ["red"]},
        {"action": "untag", "value": ["blue"]},
        {"action": "move", "value": None},
    ]
    for step in steps:
        answer = await post("/api/v1/assets/bulk", json={**step, "ids": [asset["id"]]})
        changed = int(step["value"] is not None)
        assert answer.json() == {"matched": 1, "changed": changed, "in_use": 0}, answer.text
    now = (await ada.client.get(f"/api/v1/assets/{asset['id']}")).json()
    assert (now["is_favourite"], now["tags"]) == (True, ["red"])
    facets = (await ada.client.get("/api/v1/assets/facets?is_favourite=true")).json()["facets"]
    assert facets["tag"] == {"red": 1}
    assert (await ada.client.get("/api/v1/assets?tag=blue")).json()["items"] == []
    wrong = await post("/api/v1/assets/bulk", json={"action": "burn", "ids": [str(uuid4())]})
    assert "delete" in field(problem(wrong, 422, "invalid_input"), "action")["allowed"]
    answer = await post("/api/v1/assets/bulk", json={"action": "delete", "ids": [asset["id"]]})
    assert answer.json() == {"matched": 1, "changed": 1, "in_use": 0}
