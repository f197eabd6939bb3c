"""What a submission costs and how long it may take, from `prices.json`."""

import math
from decimal import Decimal
from importlib.resources import files

from pydantic import BaseModel

from pixsim7_backend.domain.provider import Estimate
from pixsim7_backend.providers.pixverse.params import (
    FusionParams,
    PixverseParams,
    TransitionParams,
)

_Variants = dict[str, Decimal]


class PriceTable(BaseModel):
    """The official credit tables: model -> quality (-> seconds) -> variant -> credits."""

    as_of: str
    sources: dict[str, str]
    credit_usd: Decimal
    per_second: dict[str, dict[str, _Variants]]
    per_clip: dict[str, dict[str, dict[int, _Variants]]]

    def price(self, model: str, quality: str, duration: int, variant: str) -> Decimal | None:
        """Credits of one clip; None when it is not sold."""
        if model in self.per_second:
            # Several shots have no price of their own on per-second models.
            plain = variant.removeprefix("multi_") if variant != "multi" else "silent"
            rate = self.per_second[model].get(quality, {}).get(plain)
            return None if rate is None else rate * duration
        return self.per_clip.get(model, {}).get(quality, {}).get(duration, {}).get(variant)


PRICES = PriceTable.model_validate_json(
    files(__package__).joinpath("prices.json").read_text(encoding="utf-8")
)

MULTI_TRANSITION_NOTE = (
    "The price of transitions through three or more images is not published in full: this is the "
    "sum of the single transitions at the 5-second rate; PixVerse tells the real charge on "
    "acceptance (PX-PRICE, PX-3P; unverified)."
)
OMNI_NOTE = "Priced as ordinary fusion; no price of its own was found for the omni mode."


def variant_of(params: PixverseParams) -> str:
    """Which column of the price table applies."""
    if getattr(params, "motion_mode", "normal") == "fast":
        return "fast"
    has_audio = getattr(params, "audio", False)
    if getattr(params, "multi_clip", False):
        return "multi_audio" if has_audio else "multi"
    return "audio" if has_audio else "silent"


def estimate(params: PixverseParams) -> Estimate:
    """The credits of one submission, as the table of `PRICES.as_of` says."""
    if isinstance(params, TransitionParams) and params.is_multi:
        return _estimate_multi_transition(params)
    credits = PRICES.price(params.model, params.quality, params.duration, variant_of(params))
    if credits is None:  # a test walks all valid parameters, so this is a new, unpriced rule
        raise ValueError(f"no price for {params.model} {params.quality} {params.duration} s")
    if isinstance(params, FusionParams) and params.is_omni:
        return Estimate(credits, is_exact=False, note=OMNI_NOTE)
    return Estimate(credits)


def _estimate_multi_transition(params: TransitionParams) -> Estimate:
    clip = PRICES.price(params.model, params.quality, 5, variant_of(params))
    if clip is None:
        raise ValueError(f"no price for {params.model} {params.quality}")
    # 60 at 5 s and 360 at 30 s of 720p in a reseller's sheet: 12 a second, 5-second cell / 5.
    gap = Decimal(math.ceil(clip * params.duration / 5))
    return Estimate(gap * params.gaps, is_exact=False, note=MULTI_TRANSITION_NOTE)


# Our own first guess for 5 seconds: PixVerse publishes no times; accounts refine it.
_SECONDS_PER_CLIP = {"360p": 25.0, "540p": 30.0, "720p": 40.0, "1080p": 75.0}


def eta_s(params: PixverseParams) -> float:
    """Expected seconds until the result, as a first guess."""
    length = params.duration
    if isinstance(params, TransitionParams):
        length *= params.gaps
    return _SECONDS_PER_CLIP[params.quality] * max(0.6, length / 5)
