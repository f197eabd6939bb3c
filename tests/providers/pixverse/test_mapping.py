"""Parameters and inputs to routes and bodies."""

import json
from typing import Any

import pytest

from pixsim7_backend.domain.provider import (
    InputMedia,
    OperationParams,
    ProviderError,
    SubmitRequest,
)
from pixsim7_backend.domain.vocabulary import ErrorKind, OperationType
from pixsim7_backend.providers.pixverse.mapping import WireCall, build_call
from pixsim7_backend.providers.pixverse.params import MAX_SEED

from .support import (
    BIG_ID,
    EXTEND,
    FUSION,
    IMAGE,
    KEY,
    TEXT,
    TRANSITION,
    media,
    request_of,
)


def call(operation: OperationType, *inputs: InputMedia, **fields: Any) -> WireCall:
    return build_call(request_of(operation, *inputs, **fields))


def test_text() -> None:
    assert call(TEXT) == WireCall(
        "/video/text/generate",
        {
            "prompt": "a cat",
            "model": "v6",
            "duration": 5,
            "quality": "720p",
            "aspect_ratio": "16:9",
        },
    )


def test_every_extra_has_its_wire_name() -> None:
    body = call(TEXT, audio=True, multi_clip=True, thinking="auto", seed=0).body
    assert body["generate_audio_switch"] is True
    assert body["generate_multi_clip_switch"] is True
    assert body["thinking_type"] == "auto"
    assert body["seed"] == 0
    body = call(
        TEXT, model="v4", camera_movement="whip_pan", motion_mode="fast", negative_prompt="rain"
    ).body
    assert body["camera_movement"] == "whip_pan"
    assert body["motion_mode"] == "fast"
    assert body["negative_prompt"] == "rain"
    assert call(TEXT, model="v3.5", style="clay").body["style"] == "clay"


def test_image() -> None:
    made = call(IMAGE, media("image", BIG_ID))
    assert made.path == "/video/img/generate"
    assert made.body["img_id"] == BIG_ID
    assert "aspect_ratio" not in made.body


def test_ids_leave_as_exact_json_numbers() -> None:
    made = call(IMAGE, media("image", 987_654_321_987_654_321))
    assert '"img_id": 987654321987654321' in json.dumps(made.body)


def test_image_with_a_last_image_is_a_transition() -> None:
    made = call(IMAGE, media("image", 1), media("last_image", 2), last_image="b", audio=True)
    assert made.path == "/video/transition/generate"
    assert (made.body["first_frame_img"], made.body["last_frame_img"]) == (1, 2)
    assert made.body["generate_audio_switch"] is True
    assert "img_id" not in made.body


def test_transition_of_two() -> None:
    made = call(TRANSITION, media("images", 1), media("images", 2), duration=8)
    assert made == WireCall(
        "/video/transition/generate",
        {
            "prompt": "a cat",
            "model": "v5",
            "duration": 8,
            "quality": "720p",
            "first_frame_img": 1,
            "last_frame_img": 2,
        },
    )


def test_transition_of_three() -> None:
    images = [media("images", number) for number in (1, 2, 3)]
    made = call(TRANSITION, *images, images=["a", "b", "c"], duration=3)
    assert made == WireCall(
        "/video/multi_transition/generate",
        {
            "multi_transition": [
                {"img_id": 1, "duration": 3, "prompt": "a cat"},
                {"img_id": 2, "duration": 3, "prompt": "a cat"},
                {"img_id": 3},
            ],
            "model": "v5",
            "quality": "720p",
        },
    )
    own = call(
        TRANSITION, *images, images=["a", "b", "c"], transition_prompts=["first", "second"], seed=7
    )
    assert [step.get("prompt") for step in own.body["multi_transition"]] == [
        "first",
        "second",
        None,
    ]
    assert own.body["seed"] == 7


def test_fusion() -> None:
    made = call(
        FUSION,
        media("images", 1),
        media("images", 2),
        prompt="@dog plays at @room",
        reference_names=["dog", "room"],
        reference_roles=["subject", "background"],
        seed=5,
    )
    assert made.path == "/video/fusion/generate"
    assert made.body["image_references"] == [
        {"type": "subject", "img_id": 1, "ref_name": "dog"},
        {"type": "background", "img_id": 2, "ref_name": "room"},
    ]
    assert made.body["prompt"] == "@dog plays at @room "
    assert made.body["seed"] == 5
    assert "reference_mode" not in made.body


def test_fusion_of_many_is_omni() -> None:
    images = [media("images", number) for number in range(1, 9)]
    made = call(FUSION, *images, images=["a"] * 8)
    assert made.body["reference_mode"] == "omni"
    assert len(made.body["image_references"]) == 8


def test_extend_prefers_the_own_id_of_a_video() -> None:
    made = call(EXTEND, media("video", 5, remote_id=BIG_ID))
    assert made.path == "/video/extend/generate"
    assert made.body["source_video_id"] == BIG_ID
    assert "video_media_id" not in made.body
    uploaded = call(EXTEND, media("video", 5))
    assert uploaded.body["video_media_id"] == 5
    assert "source_video_id" not in uploaded.body


@pytest.mark.parametrize("operation", [FUSION, EXTEND])
def test_a_required_seed_is_made_of_the_key(operation: OperationType) -> None:
    inputs = [media("video", 1)] if operation is EXTEND else [media("images", 1)] * 2
    first = build_call(request_of(operation, *inputs)).body["seed"]
    again = build_call(request_of(operation, *inputs)).body["seed"]
    other = build_call(request_of(operation, *inputs, key=KEY[:-1] + "2")).body["seed"]
    assert first == again != other
    assert 0 <= first <= MAX_SEED


def test_the_webhook_goes_with_text_and_image_only() -> None:
    assert build_call(request_of(TEXT), "hook").body["webhook_id"] == "hook"
    assert build_call(request_of(IMAGE, media("image", 1)), "hook").body["webhook_id"] == "hook"
    others = [
        request_of(IMAGE, media("image", 1), media("last_image", 2), last_image="b"),
        request_of(TRANSITION, media("images", 1), media("images", 2)),
        request_of(FUSION, media("images", 1), media("images", 2)),
        request_of(EXTEND, media("video", 1)),
    ]
    for request in others:
        assert "webhook_id" not in build_call(request, "hook").body


@pytest.mark.parametrize(
    "request_",
    [
        request_of(IMAGE),
        request_of(IMAGE, media("image", None)),
        request_of(TRANSITION, media("images", 1)),
        request_of(EXTEND, media("video", None)),
        SubmitRequest(KEY, TEXT, OperationParams(prompt="x")),
    ],
)
def test_unusable_inputs_stop_before_the_call(request_: SubmitRequest) -> None:
    with pytest.raises(ProviderError) as caught:
        build_call(request_)
    assert caught.value.kind is ErrorKind.PARAM
