"""Uploads are really looked at, results are real files behind links that can die."""

import hashlib
import io
import uuid

import aiohttp
import av
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from pixsim7_simulator import RunningSimulator, running_simulator
from pixsim7_simulator.media import MediaSpec, render_video
from tests.simulator.conftest import Vendor, accounts, picture


@pytest.fixture(scope="module")
def clip() -> bytes:
    return render_video(MediaSpec("video", 64, 36, 1.0))


async def test_image_upload_and_its_link(vendor: Vendor) -> None:
    content = picture(40, 30, "WEBP")
    reply = (await vendor.upload("/image/upload", "image", content, "in.webp")).content
    assert isinstance(reply["img_id"], int)
    async with vendor.session.get(reply["img_url"]) as file:
        assert file.content_type == "image/webp"
        assert await file.read() == content


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"no picture", 500031),
        (picture(8, 8, "GIF"), 500032),
        (picture(10_001, 1), 500030),
        (b"\0" * (20 * 1024 * 1024), 500030),
        (b"", 400011),
    ],
    ids=["garbage", "gif", "wide", "heavy", "empty"],
)
async def test_bad_images_are_refused(vendor: Vendor, content: bytes, code: int) -> None:
    assert (await vendor.upload("/image/upload", "image", content, "in.png")).code == code


async def test_the_image_field_is_called_image(vendor: Vendor) -> None:
    assert (await vendor.upload("/image/upload", "file", picture(8, 8), "in.png")).code == 400011


async def test_upload_moderation_answers_in_lower_case(vendor: Vendor) -> None:
    reply = await vendor.upload("/image/upload", "image", picture(8, 8), "forbidden-file.png")
    assert reply.status == 500
    assert reply.body == {"err_code": 500052, "err_msg": "image moderation failed", "resp": None}


async def test_media_upload_and_extend_of_it(vendor: Vendor, clip: bytes) -> None:
    reply = await vendor.upload("/media/upload", "file", clip, "in.mp4", media_type="video")
    assert reply.content["media_type"] == "video"
    body = {"prompt": "on", "model": "v6", "duration": 5, "quality": "360p"}
    source = {"video_media_id": reply.content["media_id"]}
    extended = await vendor.ask("POST", "/video/extend/generate", json={**body, **source})
    assert isinstance(extended.content["video_id"], int)


async def test_bad_media_is_refused(vendor: Vendor, clip: bytes) -> None:
    assert (await vendor.upload("/media/upload", "file", b"no film", "in.mp4")).code == 400017
    wrong = await vendor.upload("/media/upload", "file", clip, "in.mp4", media_type="audio")
    assert wrong.code == 400017


async def test_upload_by_link(vendor: Vendor) -> None:
    async def serve(_: web.Request) -> web.Response:
        return web.Response(body=picture(8, 8), content_type="image/png")

    app = web.Application()
    app.router.add_get("/a.png", serve)
    async with TestServer(app) as server:
        form = {"image_url": str(server.make_url("/a.png"))}
        with_file = await vendor.ask("POST", "/image/upload", data=_multipart(form))
        assert isinstance(with_file.content["img_id"], int)
        missing = {"image_url": str(server.make_url("/b.png"))}
        assert (await vendor.ask("POST", "/image/upload", data=_multipart(missing))).code == 500041
    scheme = {"image_url": "file:///etc/passwd"}
    assert (await vendor.ask("POST", "/image/upload", data=_multipart(scheme))).code == 500042


async def test_results_are_real_films_of_the_asked_shape(vendor: Vendor) -> None:
    await vendor.sim.set(media="real")
    video = await vendor.finished_video(
        quality="360p", duration=2, aspect_ratio="9:16", generate_audio_switch=True
    )
    poll = (await vendor.poll(video)).content
    assert (poll["outputWidth"], poll["outputHeight"], poll["has_audio"]) == (360, 640, True)
    async with vendor.session.get(poll["url"]) as file:
        content = await file.read()
    assert (file.content_type, file.content_length) == ("video/mp4", poll["size"])
    with av.open(io.BytesIO(content), "r") as film:
        assert film.streams.video[0].codec_context.name == "h264"
        assert film.streams.audio[0].codec_context.name == "aac"
        assert film.duration == pytest.approx(2 * av.time_base, rel=0.05)
        assert sum(1 for _ in film.decode(video=0)) == 48


async def test_every_result_has_its_own_bytes(vendor: Vendor) -> None:
    films = [await vendor.finished_video(seed=1) for _ in range(2)]
    digests = []
    for film in films:
        async with vendor.session.get(await vendor.url(film)) as file:
            digests.append(hashlib.sha256(await file.read()).hexdigest())
    assert digests == [await vendor.sim.sha256(film) for film in films]
    assert digests[0] != digests[1]


async def test_ranges(vendor: Vendor) -> None:
    url = await vendor.url(await vendor.finished_video())
    async with vendor.session.get(url) as file:
        whole = await file.read()
        assert file.headers["Accept-Ranges"] == "bytes"
    for wanted, part in [("0-99", whole[:100]), ("100-", whole[100:]), ("-10", whole[-10:])]:
        async with vendor.session.get(url, headers={"Range": f"bytes={wanted}"}) as file:
            assert file.status == 206
            assert await file.read() == part
            assert file.headers["Content-Range"].endswith(f"/{len(whole)}")
    async with vendor.session.get(url, headers={"Range": "bytes=9999999-"}) as file:
        assert (file.status, file.headers["Content-Range"]) == (416, f"bytes */{len(whole)}")
    async with vendor.session.head(url) as file:
        assert (file.status, file.content_length) == (200, len(whole))


async def test_links_expire_and_can_be_renewed_if_so_configured(
    sim: RunningSimulator, vendor: Vendor
) -> None:
    await sim.set(url_ttl_seconds=60, url_expired_status=404)
    video = await vendor.finished_video()
    url = await vendor.url(video)
    async with vendor.session.get(url) as file:
        assert file.status == 200
    sim.clock.advance(61)
    async with vendor.session.get(url) as file:
        assert file.status == 404
    assert await vendor.status(video) == 1
    await sim.set(url_refresh=True)
    async with vendor.session.get(await vendor.url(video)) as file:
        assert file.status == 200


async def test_guessed_links_lead_nowhere(sim: RunningSimulator, vendor: Vendor) -> None:
    video = await vendor.video()
    running = (await sim.generations())[0]
    assert running["url"] == ""
    for path in (f"/media/{uuid.uuid4()}/{video}.mp4", f"/upload/{uuid.uuid4()}"):
        async with vendor.session.get(sim.url + path) as file:
            assert file.status == 404


async def test_downloads_are_journalled(sim: RunningSimulator, vendor: Vendor) -> None:
    video = await vendor.finished_video()
    async with vendor.session.get(await vendor.url(video)) as file:
        size = len(await file.read())
    (row,) = await sim.requests(endpoint="media.result")
    assert (row["object_id"], row["account"], row["bytes_out"]) == (video, vendor.key, size)


async def test_the_real_clock_ends_generations_by_itself(vendor: Vendor) -> None:
    async with running_simulator(accounts=accounts(), generation_seconds=0.01) as sim:
        live = Vendor(sim, vendor.session, vendor.key)
        video = await live.video()
        for _ in range(1000):
            if await live.status(video) == 1:
                break
        assert await live.status(video) == 1


def _multipart(fields: dict[str, str]) -> aiohttp.MultipartWriter:
    writer = aiohttp.MultipartWriter("form-data")
    for name, value in fields.items():
        part = writer.append(value)
        part.set_content_disposition("form-data", name=name)
    return writer
