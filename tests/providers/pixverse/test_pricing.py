"""Every cell of the printed price tables (providers.md 1.12), and only those."""

import itertools
from decimal import Decimal
from typing import Any

import pytest

from pixsim7_backend.domain.vocabulary import OperationType
from pixsim7_backend.providers.pixverse.manifest import MANIFEST
from pixsim7_backend.providers.pixverse.models import MODELS
from pixsim7_backend.providers.pixverse.pricing import PRICES

from .support import EXTEND, FUSION, IMAGE, TEXT, TRANSITION, params_of, problems_of

QUALITIES = ("360p", "540p", "720p", "1080p")


def credits_of(operation: OperationType = TEXT, **fields: Any) -> int:
    estimate = MANIFEST.operations[operation].estimate(params_of(operation, **fields))
    assert estimate.is_exact
    return int(estimate.credits)


def test_the_walkthrough_costs_45() -> None:
    assert credits_of(quality="720p") == 45


@pytest.mark.parametrize(
    ("model", "row"),
    [
        ("v6", [(5, 7), (7, 9), (9, 12), (18, 23)]),
        ("c1", [(6, 8), (8, 10), (10, 13), (19, 24)]),
    ],
)
def test_models_billed_by_the_second(model: str, row: list[tuple[int, int]]) -> None:
    for quality, (silent, audio) in zip(QUALITIES, row, strict=True):
        for duration in range(1, 16):
            fields: dict[str, Any] = {"model": model, "quality": quality, "duration": duration}
            assert credits_of(**fields) == silent * duration
            assert credits_of(**fields, audio=True) == audio * duration


def test_several_shots_have_no_price_of_their_own_on_v6() -> None:
    assert credits_of(multi_clip=True) == 45
    assert credits_of(multi_clip=True, audio=True) == 60


@pytest.mark.parametrize(
    ("quality", "cells"),
    [
        ("360p", {5: (35, 80), 8: (70, 115), 10: (77, 122)}),
        ("540p", {5: (35, 90), 8: (70, 115), 10: (77, 122)}),
        ("720p", {5: (45, 80), 8: (90, 135), 10: (99, 144)}),
        ("1080p", {5: (75, 150), 8: (150, 195)}),
    ],
)
def test_v5_6_as_printed(quality: str, cells: dict[int, tuple[int, int]]) -> None:
    for duration, (silent, audio) in cells.items():
        fields: dict[str, Any] = {"model": "v5.6", "quality": quality, "duration": duration}
        assert credits_of(**fields) == silent
        assert credits_of(**fields, audio=True) == audio


@pytest.mark.parametrize(
    ("qualities", "cells"),
    [
        (
            ("360p", "540p"),
            {5: (45, 55, 75, 85), 8: (90, 100, 120, 130), 10: (99, 109, 129, 139)},
        ),
        (("720p",), {5: (60, 70, 90, 100), 8: (120, 130, 150, 160), 10: (132, 142, 162, 172)}),
        (("1080p",), {5: (120, 130, 150, 160), 8: (240, 250, 270, 280)}),
    ],
)
def test_v5_5(qualities: tuple[str, ...], cells: dict[int, tuple[int, ...]]) -> None:
    for quality, (duration, prices) in itertools.product(qualities, cells.items()):
        fields: dict[str, Any] = {"model": "v5.5", "quality": quality, "duration": duration}
        switches = itertools.product((False, True), (False, True))
        for price, (multi, audio) in zip(prices, switches, strict=True):
            assert credits_of(**fields, multi_clip=multi, audio=audio) == price


@pytest.mark.parametrize(
    ("models", "quality", "normal", "fast", "eight"),
    [
        (("v5",), "360p", 45, None, 90),
        (("v5",), "540p", 45, None, 90),
        (("v5",), "720p", 60, None, 120),
        (("v5",), "1080p", 120, None, 240),
        (("v4.5", "v4", "v3.5"), "360p", 45, 90, 90),
        (("v4.5", "v4", "v3.5"), "540p", 45, 90, 90),
        (("v4.5", "v4", "v3.5"), "720p", 60, 120, 120),
        (("v4.5", "v4", "v3.5"), "1080p", 120, None, None),
    ],
)
def test_older_models(
    models: tuple[str, ...], quality: str, normal: int, fast: int | None, eight: int | None
) -> None:
    for model in models:
        assert credits_of(model=model, quality=quality) == normal
        if fast is not None:
            assert credits_of(model=model, quality=quality, motion_mode="fast") == fast
        if eight is not None:
            assert credits_of(model=model, quality=quality, duration=8) == eight


@pytest.mark.parametrize("operation", [TEXT, IMAGE, TRANSITION, FUSION, EXTEND])
def test_whatever_is_valid_has_a_price(operation: OperationType) -> None:
    schema = MANIFEST.operations[operation].params_model.model_json_schema()["properties"]
    switches: dict[str, tuple[Any, ...]] = {
        name: values
        for name, values in {
            "audio": (False, True),
            "multi_clip": (False, True),
            "motion_mode": ("normal", "fast"),
        }.items()
        if name in schema
    }
    priced = 0
    for model, quality, duration in itertools.product(
        schema["model"]["enum"], QUALITIES, range(1, 16)
    ):
        for values in itertools.product(*switches.values()):
            fields = dict(zip(switches, values, strict=True))
            fields |= {"model": model, "quality": quality, "duration": duration}
            if not problems_of(operation, **fields):
                assert credits_of(operation, **fields) > 0
                priced += 1
    assert priced > 100


def test_whatever_has_a_price_is_valid() -> None:
    variants: dict[str, dict[str, Any]] = {
        "silent": {},
        "audio": {"audio": True},
        "multi": {"multi_clip": True},
        "multi_audio": {"multi_clip": True, "audio": True},
        "fast": {"motion_mode": "fast"},
    }
    for model, qualities in PRICES.per_clip.items():
        for quality, durations in qualities.items():
            for duration, prices in durations.items():
                for variant in prices:
                    fields = {"model": model, "quality": quality, "duration": duration}
                    assert problems_of(TEXT, **fields, **variants[variant]) == {}
    assert {*PRICES.per_clip, *PRICES.per_second} == set(MODELS)


@pytest.mark.parametrize(
    ("count", "fields", "price"),
    [
        (7, {"quality": "720p"}, 360),
        (7, {"quality": "1080p"}, 720),
        (7, {"quality": "540p"}, 270),
        (7, {"quality": "720p", "model": "v4", "motion_mode": "fast"}, 720),
        (3, {"quality": "720p", "duration": 1}, 24),
        (3, {"quality": "540p", "duration": 2}, 36),
    ],
)
def test_several_transitions_are_summed_and_said_to_be_inexact(
    count: int, fields: dict[str, Any], price: int
) -> None:
    params = params_of(TRANSITION, images=["a"] * count, **fields)
    estimate = MANIFEST.operations[TRANSITION].estimate(params)
    assert estimate.credits == Decimal(price)
    assert not estimate.is_exact
    assert "unverified" in estimate.note


def test_omni_fusion_is_said_to_be_inexact() -> None:
    params = params_of(FUSION, images=["a"] * 8)
    estimate = MANIFEST.operations[FUSION].estimate(params)
    assert (estimate.credits, estimate.is_exact) == (Decimal(45), False)
    assert estimate.note


@pytest.mark.parametrize("operation", [TEXT, IMAGE, TRANSITION, FUSION, EXTEND])
def test_longer_and_finer_takes_longer(operation: OperationType) -> None:
    eta_s = MANIFEST.operations[operation].eta_s
    short = eta_s(params_of(operation, quality="540p", duration=5))
    assert 0 < short < eta_s(params_of(operation, quality="540p", duration=8))
    assert short < eta_s(params_of(operation, quality="1080p", duration=5))
