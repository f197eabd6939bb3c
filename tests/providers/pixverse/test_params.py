"""Every rule of PixVerse's models, told at its field."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from pixsim7_backend.domain.vocabulary import OperationType
from pixsim7_backend.providers.pixverse.manifest import MANIFEST
from pixsim7_backend.providers.pixverse.params import (
    MAX_PROMPT,
    MAX_SEED,
    FusionParams,
    TextToVideoParams,
)

from .support import EXTEND, FUSION, IMAGE, TEXT, TRANSITION, params_of, problems_of

CLIPS = [TEXT, IMAGE, TRANSITION, EXTEND]


def test_the_walkthrough_needs_only_a_prompt_and_a_quality() -> None:
    params = TextToVideoParams.model_validate(
        {"prompt": "sunset over mountains", "quality": "720p"}
    )
    assert (params.model, params.duration, params.aspect_ratio) == ("v6", 5, "16:9")


@pytest.mark.parametrize(
    ("model", "durations", "at_1080p"),
    [
        ("v6", range(1, 16), range(1, 16)),
        ("c1", range(1, 16), range(1, 16)),
        ("v5.6", (5, 8, 10), (5, 8)),
        ("v5.5", (5, 8, 10), (5, 8)),
        ("v5", (5, 8), (5, 8)),
        ("v4.5", (5, 8), (5,)),
        ("v4", (5, 8), (5,)),
        ("v3.5", (5, 8), (5,)),
    ],
)
def test_durations(model: str, durations: tuple[int, ...], at_1080p: tuple[int, ...]) -> None:
    for quality, allowed in (("540p", durations), ("1080p", at_1080p)):
        for duration in range(1, 16):
            found = problems_of(TEXT, model=model, quality=quality, duration=duration)
            assert found == ({} if duration in allowed else {"duration": list(allowed)}), duration


@pytest.mark.parametrize("operation", CLIPS)
def test_1080p_with_10_s_is_refused_on_v5_5_in_words(operation: OperationType) -> None:
    with pytest.raises(ValidationError) as caught:
        params_of(operation, model="v5.5", quality="1080p", duration=10)
    assert "At 1080p, v5.5 makes clips of 5 or 8 seconds." in str(caught.value)


@pytest.mark.parametrize("duration", [0, 16, -1])
def test_durations_out_of_the_form(duration: int) -> None:
    with pytest.raises(ValidationError):
        params_of(TEXT, duration=duration)


@pytest.mark.parametrize(
    ("name", "value", "models"),
    [
        ("audio", True, {"v5.5", "v5.6", "v6", "c1"}),
        ("multi_clip", True, {"v5.5", "v6"}),
        ("thinking", "auto", {"v5.5", "v5.6", "v6", "c1"}),
        ("motion_mode", "fast", {"v3.5", "v4", "v4.5"}),
        ("camera_movement", "zoom_in", {"v4", "v4.5"}),
        ("style", "anime", {"v3.5"}),
        ("negative_prompt", "rain", {"v3.5", "v4", "v4.5", "v5"}),
        ("aspect_ratio", "21:9", {"v6", "c1"}),
    ],
)
def test_what_only_some_models_have(name: str, value: object, models: set[str]) -> None:
    for model in ("v3.5", "v4", "v4.5", "v5", "v5.5", "v5.6", "v6", "c1"):
        found = problems_of(TEXT, model=model, **{name: value})
        assert set(found) == (set() if model in models else {name}), model


def test_the_default_is_never_a_problem() -> None:
    for model in ("v3.5", "v6"):
        found = problems_of(
            TEXT, model=model, audio=False, motion_mode="normal", style=None, negative_prompt=None
        )
        assert found == {}


def test_fast_motion_is_5_s_and_not_1080p() -> None:
    assert problems_of(TEXT, model="v4.5", motion_mode="fast") == {}
    assert problems_of(TEXT, model="v4.5", motion_mode="fast", duration=8) == {"duration": [5]}
    found = problems_of(TEXT, model="v4.5", motion_mode="fast", quality="1080p")
    assert found == {"quality": ["360p", "540p", "720p"]}


def test_all_broken_rules_are_told_at_once_even_inside_another_model() -> None:
    class Job(BaseModel):
        params: TextToVideoParams

    with pytest.raises(ValidationError) as caught:
        Job.model_validate({"params": {"prompt": "x", "model": "v5", "duration": 9, "audio": True}})
    assert {item["loc"] for item in caught.value.errors()} == {
        ("params", "duration"),
        ("params", "audio"),
    }


def test_prompts() -> None:
    assert params_of(TEXT, prompt=f"  {'x' * MAX_PROMPT}  ").prompt == "x" * MAX_PROMPT
    for prompt in ("", "   ", "x" * (MAX_PROMPT + 1)):
        with pytest.raises(ValidationError):
            params_of(TEXT, prompt=prompt)
    with pytest.raises(ValidationError):
        params_of(TEXT, model="v5", negative_prompt="x" * (MAX_PROMPT + 1))


def test_seeds_and_unknown_words() -> None:
    assert params_of(TEXT, seed=MAX_SEED).model_dump()["seed"] == MAX_SEED
    bad: list[dict[str, Any]] = [
        {"seed": MAX_SEED + 1},
        {"seed": -1},
        {"model": "v7"},
        {"quality": "4k"},
        {"style": "cubist", "model": "v3.5"},
        {"camera_movement": "spin", "model": "v4"},
        {"template_id": 1},
    ]
    for fields in bad:
        with pytest.raises(ValidationError):
            params_of(TEXT, **fields)


def test_a_last_image_takes_the_transition_route_and_its_limits() -> None:
    assert problems_of(IMAGE, last_image="asset-2", audio=True) == {}
    assert problems_of(IMAGE, last_image="asset-2", multi_clip=True) == {"multi_clip": [False]}
    assert problems_of(IMAGE, last_image="a", thinking="auto") == {"thinking": []}
    found = problems_of(IMAGE, last_image="a", model="v5", negative_prompt="x")
    assert found == {"negative_prompt": []}


def test_an_image_decides_the_ratio() -> None:
    with pytest.raises(ValidationError):
        params_of(IMAGE, aspect_ratio="16:9")


@pytest.mark.parametrize("count", range(3, 8))
def test_transitions_through_several_images(count: int) -> None:
    images = [f"asset-{number}" for number in range(count)]
    for model in ("v3.5", "v4", "v4.5", "v5"):
        assert problems_of(TRANSITION, images=images, model=model, duration=3) == {}
    for model in ("v5.5", "v5.6", "v6", "c1"):
        found = problems_of(TRANSITION, images=images, model=model)
        assert found == {"model": ["v5", "v4.5", "v4", "v3.5"]}
    assert problems_of(TRANSITION, images=images, duration=8) == {"duration": [1, 2, 3, 4, 5]}


def test_transitions_of_two_images_take_every_model() -> None:
    for model in ("v3.5", "v4", "v4.5", "v5", "v5.5", "v5.6", "v6", "c1"):
        assert problems_of(TRANSITION, model=model) == {}
    assert problems_of(TRANSITION, model="v5", duration=3) == {"duration": [5, 8]}


@pytest.mark.parametrize("count", [0, 1, 8])
def test_the_number_of_transition_images(count: int) -> None:
    with pytest.raises(ValidationError):
        params_of(TRANSITION, images=["a"] * count)


def test_a_prompt_for_each_transition() -> None:
    assert problems_of(TRANSITION, images=["a", "b", "c"], transition_prompts=["x", "y"]) == {}
    assert set(problems_of(TRANSITION, images=["a", "b", "c"], transition_prompts=["x"])) == {
        "transition_prompts"
    }
    assert set(problems_of(TRANSITION, transition_prompts=["x"])) == {"transition_prompts"}


@pytest.mark.parametrize(
    ("model", "most"), [("v4.5", 3), ("v5", 3), ("v5.5", 7), ("v5.6", 7), ("c1", 7), ("v6", 10)]
)
def test_the_number_of_fusion_images(model: str, most: int) -> None:
    for count in range(1, 11):
        found = problems_of(FUSION, model=model, images=["a"] * count)
        assert set(found) == (set() if count <= most else {"images"}), count


def test_fusion_refuses_models_without_it() -> None:
    for model in ("v3.5", "v4"):
        with pytest.raises(ValidationError):
            params_of(FUSION, model=model)


def test_omni_is_chosen_when_only_omni_can_do_it() -> None:
    def is_omni(**fields: Any) -> bool:
        params = params_of(FUSION, **fields)
        assert isinstance(params, FusionParams)
        return params.is_omni

    assert not is_omni(images=["a"] * 7)
    assert is_omni(images=["a"] * 8)
    assert is_omni(aspect_ratio="auto")
    assert set(problems_of(FUSION, model="c1", aspect_ratio="auto")) == {"aspect_ratio"}


def _full_prompt(**fields: Any) -> str:
    params = params_of(FUSION, **fields)
    assert isinstance(params, FusionParams)
    return params.full_prompt


def test_fusion_mentions_every_image() -> None:
    assert _full_prompt(prompt="they dance") == "they dance @image1 @image2 "
    assert _full_prompt(prompt="@image2 hugs @image1") == "@image2 hugs @image1 "
    assert _full_prompt(prompt="@image1, smiling") == "@image1 , smiling @image2 "
    assert (
        _full_prompt(prompt="@cat two meets @cat.", reference_names=["cat", "cat two"])
        == "@cat two meets @cat ."
    )
    # image1 must not be found inside image10
    ten = _full_prompt(prompt="@image10 alone", images=["a"] * 10)
    assert ten.startswith("@image10 alone @image1 @image2 ")


def test_fusion_names_and_roles() -> None:
    assert problems_of(FUSION, reference_names=["dog", "room"], prompt="@dog in @room") == {}
    assert set(problems_of(FUSION, reference_names=["dog"])) == {"reference_names"}
    assert set(problems_of(FUSION, reference_names=["dog", "Dog"])) == {"reference_names"}
    for name in ("", " dog", "dog ", "d-g", "é", "x" * 31):
        assert set(problems_of(FUSION, reference_names=["room", name])) == {"reference_names"}
    assert problems_of(FUSION, reference_names=["room", "x" * 30]) == {}
    assert set(problems_of(FUSION, reference_roles=["subject"])) == {"reference_roles"}
    assert problems_of(FUSION, reference_roles=["subject", "background"]) == {}


def test_a_mention_of_no_image_is_a_slip_of_the_pen() -> None:
    assert problems_of(FUSION, prompt="@imag1 runs") == {"prompt": ["@image1", "@image2"]}
    assert problems_of(FUSION, prompt="a sign with me@example.com, 5 @ 3") == {}


def test_the_mentions_count_for_the_length_of_the_prompt() -> None:
    assert set(problems_of(FUSION, prompt="x" * (MAX_PROMPT - 5))) == {"prompt"}


def test_extend_takes_the_models_of_its_reference_page() -> None:
    for model in ("v3.5", "v4", "v4.5", "v5", "v5.5", "v6"):
        assert problems_of(EXTEND, model=model) == {}
    for model in ("v5.6", "c1"):
        with pytest.raises(ValidationError):
            params_of(EXTEND, model=model)
    with pytest.raises(ValidationError):
        params_of(EXTEND, audio=True)


_KNOWN = {
    "title", "description", "type", "enum", "const", "default", "minimum", "maximum", "minLength",
    "maxLength", "minItems", "maxItems", "items", "x-ui",
}  # fmt: skip
_WIDGETS = {
    "prompt", "textarea", "aspect", "segmented", "select", "slider", "seed", "media", "toggle",
}  # fmt: skip


@pytest.mark.parametrize("operation", list(MANIFEST.operations))
def test_schemas_stay_in_the_subset_that_forms_know(operation: OperationType) -> None:
    schema = MANIFEST.operations[operation].params_model.model_json_schema()
    assert "$defs" not in schema
    for name, prop in schema["properties"].items():
        assert set(prop) <= _KNOWN, name
        assert set(prop.get("items", {})) <= _KNOWN, name
        assert prop["type"] in {"string", "integer", "boolean", "array"}, name
        assert prop["title"]
        assert prop["description"]
        assert prop["x-ui"]["widget"] in _WIDGETS, name
        assert prop.get("default", ...) is not None, name
    orders = [prop["x-ui"]["order"] for prop in schema["properties"].values()]
    assert len(set(orders)) == len(orders)
