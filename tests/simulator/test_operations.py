"""Every operation that PixVerse offers, from submit to result, and what it refuses."""

import asyncio
import uuid
from typing import Any

import pytest
from yarl import URL

from pixsim7_simulator import RunningSimulator
from pixsim7_simulator.dialects.pixverse import data
from tests.simulator.conftest import TEXT, TEXT_COST, Vendor

SHORT = {"prompt": "a fox runs", "model": "v6", "duration": 5, "quality": "540p"}


async def test_text_to_video_runs_and_ends_with_a_result(
    sim: RunningSimulator, vendor: Vendor
) -> None:
    reply = await vendor.text(seed=7)
    video = reply.content["video_id"]
    assert reply.status == 200
    assert reply.body["ErrMsg"] == "Success"
    assert reply.content == {"video_id": video, "credits": TEXT_COST}
    assert isinstance(video, int)
    assert 10**17 < video < 10**18
    assert int(float(video)) != video, "an id that a double could hold would hide a lossy parser"

    running = (await vendor.poll(video)).content
    assert (running["status"], running["url"]) == (5, "")
    sim.clock.advance(5)
    done = (await vendor.poll(video)).content
    assert done["id"] == video
    assert done["status"] == 1
    assert done["url"].startswith(f"{sim.url}/media/")
    assert (done["outputWidth"], done["outputHeight"]) == (64, 36)
    assert done["size"] > 1000
    assert (done["seed"], done["prompt"]) == (7, TEXT["prompt"])
    assert (done["has_audio"], done["credits"]) == (False, TEXT_COST)
    assert isinstance(done["create_time"], str)
    assert (done["create_time"], done["modify_time"]) == (
        "2027-01-15T08:00:00Z",
        "2027-01-15T08:00:05Z",
    )
    credit = (await vendor.ask("GET", f"/video/credits/{video}")).content
    assert credit == {"video_id": video, "credit": TEXT_COST}


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/video/img/generate", {"img_id": "image"}),
        ("/video/img/generate", {"img_ids": ["image"], "template_id": data.EFFECT_ANY_QUALITY}),
        ("/video/transition/generate", {"first_frame_img": "image", "last_frame_img": "image"}),
        ("/video/extend/generate", {"source_video_id": "video"}),
        (
            "/video/fusion/generate",
            {
                "prompt": "@fox runs in @the wood now",
                "aspect_ratio": "21:9",
                "image_references": [
                    {"type": "subject", "img_id": "image", "ref_name": "fox"},
                    {"type": "background", "img_id": "image", "ref_name": "the wood"},
                ],
            },
        ),
        (
            "/video/fusion/generate",
            {
                "aspect_ratio": "auto",
                "duration": 0,
                "reference_mode": "omni",
                "video_references": [{"source_video_id": "video"}],
            },
        ),
    ],
)
async def test_operations_on_inputs(
    sim: RunningSimulator, vendor: Vendor, path: str, fields: dict[str, Any]
) -> None:
    given = {"image": await vendor.image(), "video": await vendor.finished_video()}
    reply = await vendor.ask("POST", path, json={**SHORT, **_filled(fields, given)})
    video = reply.content["video_id"]
    sim.clock.advance(5)
    assert await vendor.status(video) == 1


async def test_multi_transition_adds_up_its_gaps(sim: RunningSimulator, vendor: Vendor) -> None:
    image = await vendor.image()
    frames = [{"img_id": image, "duration": 2}, {"img_id": image, "duration": 3}, {"img_id": image}]
    body = {"multi_transition": frames, "model": "v5", "quality": "720p"}
    reply = await vendor.ask("POST", "/video/multi_transition/generate", json=body)
    assert reply.content["credits"] == 60
    sim.clock.advance(5)
    assert await vendor.status(reply.content["video_id"]) == 1


async def test_image_template_has_its_own_result_route(
    sim: RunningSimulator, vendor: Vendor
) -> None:
    body = {"img_ids": [await vendor.image()], "template_id": data.EFFECT_ANY_QUALITY}
    image = (await vendor.ask("POST", "/image/template/generate", json=body)).content["image_id"]
    sim.clock.advance(5)
    result = (await vendor.ask("GET", f"/image/result/{image}")).content
    assert (result["image_id"], result["status"]) == (image, 1)
    async with vendor.session.get(result["url"]) as file:
        assert file.content_type == "image/png"
        assert (await file.read()).startswith(b"\x89PNG")
    assert (await vendor.poll(image)).code == 500008


async def test_free_text_to_image_does_not_exist(sim: RunningSimulator, vendor: Vendor) -> None:
    url = f"{sim.pixverse_url}/image/text/generate"
    async with vendor.session.post(url, json=TEXT, headers=vendor.headers()) as answer:
        assert answer.status == 404
        assert await answer.text() == "404 page not found"
    assert [row["path"] for row in await sim.requests(endpoint="pixverse.unknown")]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"prompt": ""}, 400011),
        ({"model": None}, 400011),
        ({"prompt": 5}, 400013),
        ({"duration": "5"}, 400013),
        ({"duration": True}, 400013),
        ({"model": "v9"}, 400017),
        ({"quality": "4k"}, 400017),
        ({"aspect_ratio": "5:4"}, 400017),
        ({"aspect_ratio": "21:9", "model": "v5"}, 400017),
        ({"duration": 16}, 400017),
        ({"duration": 10, "model": "v5"}, 400017),
        ({"duration": 10, "model": "v5.5", "quality": "1080p"}, 400017),
        ({"duration": 8, "model": "v4.5", "quality": "1080p"}, 400017),
        ({"seed": -1}, 400017),
        ({"generate_audio_switch": True, "model": "v5"}, 400017),
        ({"generate_multi_clip_switch": True, "model": "c1"}, 400017),
        ({"negative_prompt": "blur"}, 400017),
        ({"style": "anime"}, 400017),
        ({"style": "baroque", "model": "v3.5"}, 400017),
        ({"camera_movement": "zoom_in", "model": "v5"}, 400017),
        ({"motion_mode": "fast"}, 400017),
        ({"motion_mode": "fast", "model": "v4", "duration": 8}, 400017),
        ({"thinking_type": "auto", "model": "v5"}, 400017),
        ({"webhook_id": "nobody"}, 400017),
        ({"prompt": "x" * 5001}, 400018),
        ({"negative_prompt": "x" * 2049, "model": "v5"}, 400019),
        ({"template_id": 1}, 500070),
        ({"template_id": data.EFFECT_UP_TO_540P}, 500071),
        ({"prompt": "a forbidden-word"}, 500063),
    ],
)
async def test_text_refusals_cost_nothing(
    vendor: Vendor, changes: dict[str, Any], code: int
) -> None:
    reply = await vendor.text(**changes)
    assert (reply.status, reply.code, reply.body["Resp"]) == (200, code, None)
    assert await vendor.balance() == 1000


@pytest.mark.parametrize(
    ("path", "fields", "code"),
    [
        ("/video/img/generate", {"img_id": "'image'"}, 400013),
        ("/video/img/generate", {"img_id": 123}, 400032),
        ("/video/img/generate", {"img_id": "foreign"}, 400032),
        ("/video/img/generate", {}, 400011),
        ("/video/img/generate", {"img_id": "image", "img_ids": ["image"]}, 400017),
        ("/video/img/generate", {"img_id": "image", "aspect_ratio": "1:1"}, 400017),
        ("/video/transition/generate", {"first_frame_img": "image"}, 400011),
        ("/video/extend/generate", {"source_video_id": 123}, 500008),
        ("/video/extend/generate", {"source_video_id": "foreign video"}, 500020),
        ("/video/extend/generate", {"source_video_id": "running"}, 400017),
        ("/video/extend/generate", {"source_video_id": "video", "model": "v5.6"}, 400017),
        (
            "/video/fusion/generate",
            {
                "prompt": "ends with @fox",
                "aspect_ratio": "1:1",
                "image_references": [{"type": "subject", "img_id": "image", "ref_name": "fox"}],
            },
            400017,
        ),
        (
            "/video/multi_transition/generate",
            {"model": "v6", "multi_transition": [{"img_id": "image", "duration": 5}] * 2},
            400017,
        ),
    ],
)
async def test_input_refusals(
    sim: RunningSimulator,
    vendor: Vendor,
    other: Vendor,
    path: str,
    fields: dict[str, Any],
    code: int,
) -> None:
    given: dict[str, Any] = {
        "image": await vendor.image(),
        "foreign": await other.image(),
        "video": await vendor.finished_video(),
        "foreign video": await other.finished_video(),
        "running": await vendor.video(),
    }
    given["'image'"] = str(given["image"])
    reply = await vendor.ask("POST", path, json={**SHORT, **_filled(fields, given)})
    assert reply.code == code, reply.body


async def test_authorisation(sim: RunningSimulator, vendor: Vendor) -> None:
    trace = str(uuid.uuid4())
    for headers in ({"Ai-trace-id": trace}, {"API-KEY": "sk-wrong", "Ai-trace-id": trace}):
        reply = await vendor.ask("GET", "/account/balance", headers=headers)
        assert (reply.status, reply.body["ErrMsg"]) == (401, "Invalid API-KEY")
    missing = await vendor.ask("GET", "/account/balance", headers={"API-KEY": vendor.key})
    assert (missing.status, missing.code) == (200, 400011)
    assert (await vendor.ask("GET", "/account/balance", trace="x")).code == 400013
    await sim.patch_account(vendor.key, state="disabled")
    assert (await vendor.text()).code == 400012


async def test_a_body_that_is_no_json_object_is_refused(vendor: Vendor) -> None:
    for body in (b"{", b"[]", b"\xff", b"[" * 100_000):
        reply = await vendor.ask("POST", "/video/text/generate", data=body)
        assert reply.code == 400013


async def test_odd_bytes_in_headers_do_not_upset_the_journal(
    sim: RunningSimulator, vendor: Vendor
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", URL(sim.url).port)
    path = "/pixverse/openapi/v2/account/balance"
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAPI-KEY: ".encode()
    writer.write(head + b"\xff\xfe\r\n\r\n")
    assert b"401" in await reader.readline()
    writer.close()
    await writer.wait_closed()
    assert (await sim.requests(endpoint="pixverse.account.balance"))[0]["account"] == "??"
    assert await vendor.balance() == 1000


async def test_polls_of_unknown_and_foreign_videos(vendor: Vendor, other: Vendor) -> None:
    foreign = await other.video()
    assert (await vendor.poll(foreign)).code == 500020
    assert (await vendor.poll(10**17 + 1)).code == 500008
    for odd in ("9" * 5000, "none", "-1"):
        assert (await vendor.ask("GET", f"/video/result/{odd}")).code == 400013


async def test_the_first_polls_may_know_nothing(sim: RunningSimulator, vendor: Vendor) -> None:
    await sim.set(first_polls_missing=2)
    video = await vendor.video()
    codes = [(await vendor.poll(video)).code for _ in range(3)]
    assert codes == [500008, 500008, 0]


def _filled(fields: Any, given: dict[str, Any]) -> Any:
    """The same structure with names of inputs replaced by their ids."""
    if isinstance(fields, dict):
        return {key: _filled(value, given) for key, value in fields.items()}
    if isinstance(fields, list):
        return [_filled(value, given) for value in fields]
    return given.get(fields, fields) if isinstance(fields, str) else fields
