"""What the rest of PixSim7 knows of the built-in renderer."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from pixsim7_backend.domain.provider import (
    Estimate,
    ModelInfo,
    OperationParams,
    OperationSpec,
    PollPolicy,
    ProviderManifest,
)
from pixsim7_backend.domain.vocabulary import MediaType, OperationType, SubmissionClass
from pixsim7_backend.providers.local import parameters as p

PIXELS = {"360p": 0.25, "540p": 0.5625, "720p": 1.0, "1080p": 2.25}
ASPECT = {"16:9": 1.78, "9:16": 1.78, "1:1": 1.0, "4:3": 1.33, "3:4": 1.33}
START_S = 0.9
FRAME_S = 0.045
"""Measured on one small core pair at 720p, 16:9."""


def _free(params: Any) -> Estimate:
    return Estimate(Decimal(0), note="Rendered on this machine.")


def _film_eta(params: Any) -> float:
    quality = getattr(params, "quality", "720p")
    aspect = getattr(params, "aspect_ratio", "16:9")
    size = PIXELS[quality] * ASPECT[aspect] / 1.78
    return round(START_S + float(params.duration) * 24 * FRAME_S * size, 1)


def _picture_eta(params: Any) -> float:
    return round(START_S + 1.2 * PIXELS[params.quality], 1)


def _spec(
    operation: OperationType, model: type[OperationParams], output: MediaType
) -> OperationSpec:
    return OperationSpec(
        operation=operation,
        params_model=model,
        output=output,
        estimate=_free,
        eta_s=_film_eta if output is MediaType.VIDEO else _picture_eta,
        submission_class=SubmissionClass.KEYED,
        evidence="Our own code: a spool entry per submission key, and every render is free.",
    )


def make_manifest(renderers: int) -> ProviderManifest:
    """The manifest for a machine that renders so many films at a time."""
    video, image = MediaType.VIDEO, MediaType.IMAGE
    specs = (
        _spec(OperationType.TEXT_TO_VIDEO, p.TextToVideo, video),
        _spec(OperationType.IMAGE_TO_VIDEO, p.ImageToVideo, video),
        _spec(OperationType.VIDEO_EXTEND, p.VideoExtend, video),
        _spec(OperationType.VIDEO_TRANSITION, p.VideoTransition, video),
        _spec(OperationType.FUSION, p.Fusion, video),
        _spec(OperationType.TEXT_TO_IMAGE, p.TextToImage, image),
        _spec(OperationType.IMAGE_TO_IMAGE, p.ImageToImage, image),
    )
    return ProviderManifest(
        id="local",
        name="Built-in renderer",
        summary=(
            "Paints procedural films and pictures on this machine: no key, no network, no cost. "
            "It is arithmetic, not an AI model: it knows a few kinds of scenes, lights and "
            "weathers, chosen by the words of the prompt."
        ),
        operations={spec.operation: spec for spec in specs},
        models=(
            ModelInfo(
                id=p.MODEL,
                name="Procedural 1",
                operations=tuple(spec.operation for spec in specs),
                note="A procedural renderer, not a neural network.",
            ),
        ),
        result_retention=timedelta(hours=23),
        charge_moment="completion",
        has_credits=False,
        has_cancel=True,
        default_max_concurrent_jobs=max(2, renderers),
        poll=PollPolicy(
            first_delay_s=1.0,
            min_interval_s=0.7,
            max_interval_s=10.0,
            not_found_grace_s=5.0,
            max_age_s=6 * 3600.0,
        ),
        prices_as_of="always free",
    )
