"""PixVerse's JSON: extra fields are ignored, ids stay exact, what does not matter may be broken."""

import re
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

MAX_ID = 2**63 - 1


def _exact_id(value: Any) -> str:
    """Ids are 64-bit JSON numbers beyond 2^53 (PX-KIT, PX-REF): kept as decimal digits."""
    digits = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 19):
        raise ValueError("not an id")
    if not 0 < int(digits) <= MAX_ID:
        raise ValueError("not an id")  # 0 stands for "none" in the vendor's examples
    return str(int(digits))


def _decimal_or_none(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and number >= 0 else None


def _int_or_none(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _status_or_none(value: Any) -> int | None:
    """A status word that is no number is as unknown as 9 or 10."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,4}", value):
        return int(value)
    return _int_or_none(value)


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _id_or_none(value: Any) -> str | None:
    try:
        return _exact_id(value)
    except ValueError:
        return None


WireId = Annotated[str, BeforeValidator(_exact_id)]
OptionalId = Annotated[str | None, BeforeValidator(_id_or_none)]
Credits = Annotated[Decimal | None, BeforeValidator(_decimal_or_none)]
Status = Annotated[int | None, BeforeValidator(_status_or_none)]
OptionalInt = Annotated[int | None, BeforeValidator(_int_or_none)]
OptionalText = Annotated[str | None, BeforeValidator(_text_or_none)]


class Wire(BaseModel):
    """Base: unknown fields are the vendor's business."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Envelope(Wire):
    """Every JSON answer (PX-REF); some HTTP 500 spell it in lower case (PX-TC)."""

    code: int = Field(validation_alias=AliasChoices("ErrCode", "err_code"))
    message: Annotated[str, BeforeValidator(_text)] = Field(
        default="", validation_alias=AliasChoices("ErrMsg", "err_msg")
    )
    resp: Any = Field(default=None, validation_alias=AliasChoices("Resp", "resp"))


class GenerateResp(Wire):
    """A taken submission; the charge is `credits` or, once, `credit` (PX-REF, PX-GUIDE)."""

    video_id: WireId
    credits: Credits = Field(default=None, validation_alias=AliasChoices("credits", "credit"))


class ResultResp(Wire):
    """The state of a video (PX-REF, PX-MCP models/responses.py)."""

    status: Status
    id: OptionalId = Field(default=None, validation_alias=AliasChoices("id", "video_id"))
    url: OptionalText = None
    width: OptionalInt = Field(default=None, validation_alias="outputWidth")
    height: OptionalInt = Field(default=None, validation_alias="outputHeight")
    size: OptionalInt = None
    seed: OptionalInt = None
    credits: Credits = Field(default=None, validation_alias=AliasChoices("credits", "credit"))
    create_time: OptionalText = None
    modify_time: OptionalText = None


class BalanceResp(Wire):
    """The two purses; what can be spent is their sum (PX-REF, PX-GUIDE)."""

    account_id: OptionalId = None
    credit_monthly: Decimal
    credit_package: Decimal


class ImageUploadResp(Wire):
    """An uploaded image; PX-MCP reads `ImgId`."""

    img_id: WireId = Field(validation_alias=AliasChoices("img_id", "ImgId", "ImgID"))


class MediaUploadResp(Wire):
    """An uploaded video."""

    media_id: WireId = Field(validation_alias=AliasChoices("media_id", "MediaId", "MediaID"))
