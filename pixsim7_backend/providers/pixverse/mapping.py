"""Pure functions between our values and PixVerse's: params to bodies, answers to reports."""

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import ValidationError

from pixsim7_backend.domain.provider import (
    Accepted,
    Balance,
    HttpResponse,
    InputMedia,
    ProviderError,
    RemoteOutput,
    RemoteReport,
    SubmitRequest,
)
from pixsim7_backend.domain.vocabulary import ErrorKind, MediaType, VideoStatus
from pixsim7_backend.providers.pixverse import errors
from pixsim7_backend.providers.pixverse.params import (
    MAX_SEED,
    ExtendParams,
    FusionParams,
    ImageToVideoParams,
    TextToVideoParams,
    TransitionParams,
)
from pixsim7_backend.providers.pixverse.wire import (
    BalanceResp,
    Envelope,
    GenerateResp,
    ImageUploadResp,
    MediaUploadResp,
    ResultResp,
    Wire,
)

log = logging.getLogger(__name__)

MAX_TEXT = 300
WireModel = TypeVar("WireModel", bound=Wire)


@dataclass(frozen=True, slots=True)
class WireCall:
    """One submission as PixVerse takes it: a path under the base URL and a JSON body."""

    path: str
    body: dict[str, Any]


# --- out: parameters to bodies ----------------------------------------------------------------


def build_call(request: SubmitRequest, webhook_id: str | None = None) -> WireCall:
    """The route and body of a submission. The same request always gives the same body."""
    match request.params:
        case TextToVideoParams() as params:
            return _text_call(params, webhook_id)
        case ImageToVideoParams() as params:
            return _image_call(request, params, webhook_id)
        case TransitionParams() as params:
            return _transition_call(request, params)
        case FusionParams() as params:
            return _fusion_call(request, params)
        case ExtendParams() as params:
            return _extend_call(request, params)
        case other:
            raise _unusable(f"These parameters are not PixVerse's ({type(other).__name__})")


def _text_call(params: TextToVideoParams, webhook_id: str | None) -> WireCall:
    body = {
        "prompt": params.prompt,
        "model": params.model,
        "duration": params.duration,
        "quality": params.quality,
        "aspect_ratio": params.aspect_ratio,
        **_extras(params),
        **_webhook(webhook_id),
    }
    return WireCall("/video/text/generate", body)


def _image_call(
    request: SubmitRequest, params: ImageToVideoParams, webhook_id: str | None
) -> WireCall:
    first = _upload_id(_one(request, "image"))
    common = {
        "prompt": params.prompt,
        "model": params.model,
        "duration": params.duration,
        "quality": params.quality,
        **_extras(params),
    }
    if params.last_image is None:
        # No aspect ratio: the image decides (PX-REF).
        body = {**common, "img_id": first, **_webhook(webhook_id)}
        return WireCall("/video/img/generate", body)
    last = _upload_id(_one(request, "last_image"))
    body = {**common, "first_frame_img": first, "last_frame_img": last}
    return WireCall("/video/transition/generate", body)


def _transition_call(request: SubmitRequest, params: TransitionParams) -> WireCall:
    images = [_upload_id(media) for media in _all(request, "images", len(params.images))]
    if params.is_multi:
        return _multi_transition_call(params, images)
    body = {
        "prompt": params.prompt,
        "model": params.model,
        "duration": params.duration,
        "quality": params.quality,
        "first_frame_img": images[0],
        "last_frame_img": images[1],
        **_extras(params),
    }
    return WireCall("/video/transition/generate", body)


def _multi_transition_call(params: TransitionParams, images: list[int]) -> WireCall:
    prompts = params.transition_prompts or [params.prompt] * params.gaps
    steps: list[dict[str, Any]] = [
        {"img_id": image, "duration": params.duration, "prompt": prompt}
        for image, prompt in zip(images[:-1], prompts, strict=True)
    ]
    steps.append({"img_id": images[-1]})  # the last one leads nowhere (PX-REF)
    body = {
        "multi_transition": steps,
        "model": params.model,
        "quality": params.quality,
        **_extras(params),
    }
    return WireCall("/video/multi_transition/generate", body)


def _fusion_call(request: SubmitRequest, params: FusionParams) -> WireCall:
    images = _all(request, "images", len(params.images))
    body = {
        "image_references": [
            {"type": role, "img_id": _upload_id(media), "ref_name": name}
            for role, media, name in zip(params.roles, images, params.names, strict=True)
        ],
        "prompt": params.full_prompt,
        "model": params.model,
        "duration": params.duration,
        "quality": params.quality,
        "aspect_ratio": params.aspect_ratio,
        **_extras(params),
        # The older reference requires it (PX-REF).
        "seed": _seed(params.seed, request.key),
    }
    if params.is_omni:
        body["reference_mode"] = "omni"
    return WireCall("/video/fusion/generate", body)


def _extend_call(request: SubmitRequest, params: ExtendParams) -> WireCall:
    video = _one(request, "video")
    # Exactly one of the two (PX-REF). The video's own id needs no upload and keeps the quality.
    if video.remote_id is not None:
        source = {"source_video_id": _number(video.remote_id)}
    else:
        source = {"video_media_id": _upload_id(video)}
    body = {
        **source,
        "prompt": params.prompt,
        "model": params.model,
        "duration": params.duration,
        "quality": params.quality,
        **_extras(params),
        # Required in the reference, optional in PX-MCP: always sent.
        "seed": _seed(params.seed, request.key),
    }
    return WireCall("/video/extend/generate", body)


# Our field -> theirs; sent only when the user chose something, as older models refuse the names.
_EXTRAS = {
    "negative_prompt": "negative_prompt",
    "audio": "generate_audio_switch",
    "multi_clip": "generate_multi_clip_switch",
    "thinking": "thinking_type",
    "camera_movement": "camera_movement",
    "motion_mode": "motion_mode",
    "style": "style",
    "seed": "seed",
}


def _extras(params: Any) -> dict[str, Any]:
    fields = type(params).model_fields
    chosen: dict[str, Any] = {}
    for ours, theirs in _EXTRAS.items():
        if ours in fields and (value := getattr(params, ours)) != fields[ours].default:
            chosen[theirs] = value
    return chosen


def _webhook(webhook_id: str | None) -> dict[str, str]:
    # Listed for text and image generation only (PX-GUIDE, PX-KIT).
    return {"webhook_id": webhook_id} if webhook_id else {}


def _seed(chosen: int | None, key: str) -> int:
    """The user's seed, or one made of the submission's key so that a resend has the same body."""
    if chosen is not None:
        return chosen
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4]) & MAX_SEED


def _one(request: SubmitRequest, slot: str) -> InputMedia:
    return _all(request, slot, 1)[0]


def _all(request: SubmitRequest, slot: str, count: int) -> tuple[InputMedia, ...]:
    media = request.slot(slot)
    if len(media) != count:
        raise _unusable(f"{slot}: {len(media)} inputs were given for {count} references")
    return media


def _upload_id(media: InputMedia) -> int:
    if media.uploaded is None:
        raise _unusable(f"{media.slot}: the input was not uploaded to PixVerse")
    return _number(media.uploaded)


def _number(reference: str) -> int:
    """Ids go out as JSON numbers: quoted ones are refused with 400013 (PX-KIT)."""
    if not (reference.isascii() and reference.isdigit()):
        raise _unusable(f"{reference[:40]!r} is not a PixVerse id")
    return int(reference)


def _unusable(message: str) -> ProviderError:
    return ProviderError(ErrorKind.PARAM, f"{message}.", code="unusable_input")


# --- in: answers to values --------------------------------------------------------------------


def open_answer(
    response: HttpResponse,
    model: type[WireModel],
    *,
    now: datetime,
    is_paid: bool = False,
    hide: Callable[[str], str] = str,
) -> WireModel:
    """The `Resp` of a success: HTTP 2xx and ErrCode 0. Anything else raises `ProviderError`.

    `hide` takes secrets out of the vendor's texts before they travel on.
    """
    envelope = _envelope(response)
    if envelope is not None and envelope.code == 0 and 200 <= response.status < 300:
        try:
            return model.model_validate(envelope.resp)
        except ValidationError:
            log.warning("pixverse: a success without a usable %s", model.__name__)
    failure = errors.Failure(
        http_status=response.status,
        code=envelope.code if envelope else None,
        text=hide(_printable(envelope.message)) if envelope else "",
        retry_after=_header(response.headers, "retry-after"),
    )
    raise errors.classify(failure, is_paid=is_paid, now=now)


def _envelope(response: HttpResponse) -> Envelope | None:
    try:
        return Envelope.model_validate(response.json())
    except (ValueError, RecursionError):  # HTML, cut JSON, another shape; ValidationError is one
        return None


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text[:MAX_TEXT]).strip()


def _header(headers: Mapping[str, str], name: str) -> str | None:
    return next((value for key, value in headers.items() if key.lower() == name), None)


def read_accepted(resp: GenerateResp) -> Accepted:
    """A submission that PixVerse took."""
    raw: dict[str, Any] = {"video_id": resp.video_id}
    if resp.credits is not None:
        raw["credits"] = str(resp.credits)
    return Accepted(provider_job_id=resp.video_id, credits_charged=resp.credits, raw=raw)


def read_balance(resp: BalanceResp) -> Balance:
    """Both purses together."""
    return Balance(
        credits=resp.credit_monthly + resp.credit_package,
        details={
            "account_id": resp.account_id,
            "credit_monthly": str(resp.credit_monthly),
            "credit_package": str(resp.credit_package),
        },
    )


def read_reference(resp: ImageUploadResp | MediaUploadResp) -> str:
    """The id of an upload."""
    return resp.img_id if isinstance(resp, ImageUploadResp) else resp.media_id


def read_result(video_id: str, resp: ResultResp) -> RemoteReport:
    """What one status answer says (PX-REF, PX-GUIDE)."""
    if resp.id is not None and resp.id != video_id:
        log.error("pixverse: asked for video %s, was told of %s", video_id, resp.id)
        return still_running(video_id, note="answer about another video")
    raw = resp.model_dump(mode="json", exclude_none=True)
    match resp.status:
        case 1:
            return _finished(video_id, resp, raw)
        case 6:
            return RemoteReport(
                video_id,
                VideoStatus.CANCELLED,
                error_code="status_6",
                error_message="The video was deleted at PixVerse.",
                raw=raw,
            )
        case 7:
            return _filtered(video_id, raw)
        case 8:
            return _failed(video_id, raw)
        case 2 | 3 | 5:  # 2 and 3 come from PX-MCP's table; 5 covers both waiting and generating
            return RemoteReport(video_id, VideoStatus.PROCESSING, raw=raw)
        case _:
            # 9 and 10 mean opposite things to different clients: only a deadline ends them.
            log.error("pixverse: video %s has the unknown status %s", video_id, resp.status)
            return RemoteReport(video_id, VideoStatus.PROCESSING, raw=raw)


def _finished(video_id: str, resp: ResultResp, raw: dict[str, Any]) -> RemoteReport:
    if resp.url is None or not _is_usable(resp.url):
        log.warning("pixverse: video %s is said to be done but has no usable url", video_id)
        return RemoteReport(video_id, VideoStatus.PROCESSING, raw=raw)
    output = RemoteOutput(
        url=resp.url,
        media_type=MediaType.VIDEO,
        provider_asset_id=video_id,
        width=resp.width or None,
        height=resp.height or None,
    )
    return RemoteReport(
        video_id,
        VideoStatus.COMPLETED,
        outputs=(output,),
        credits_charged=resp.credits,
        raw=raw,
    )


def _filtered(video_id: str, raw: dict[str, Any]) -> RemoteReport:
    return RemoteReport(
        video_id,
        VideoStatus.FILTERED,
        credits_charged=Decimal(0),  # refunded automatically (PX-GUIDE)
        error_kind=ErrorKind.FILTERED,
        error_code="status_7",
        error_message="PixVerse's moderation stopped the video; its credits were given back.",
        raw=raw,
    )


def _failed(video_id: str, raw: dict[str, Any]) -> RemoteReport:
    return RemoteReport(
        video_id,
        VideoStatus.FAILED,
        # The reference tells of a refund, no second source confirms it: the charge is unknown,
        # so the job is not repeated and the next balance tells.
        credits_charged=None,
        error_kind=ErrorKind.TRANSIENT,
        error_code="status_8",
        error_message="PixVerse could not make the video.",
        raw=raw,
    )


def _is_usable(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and " " not in url


def still_running(video_id: str, *, note: str) -> RemoteReport:
    """No news: the state stays what it is."""
    return RemoteReport(video_id, VideoStatus.PROCESSING, raw={"note": note})


def refused_content(video_id: str, error: ProviderError) -> RemoteReport:
    """Moderation that speaks through an ErrCode instead of status 7 (seen for outputs, PX-PY).

    Whether this gives the credits back is not documented, so the charge stays open.
    """
    return RemoteReport(
        video_id,
        VideoStatus.FILTERED,
        error_kind=ErrorKind.FILTERED,
        error_code=error.code,
        error_message=error.message,
        raw=dict(error.raw),
    )


def not_found(video_id: str, error: ProviderError) -> RemoteReport:
    """Usual right after a submit (PX-3P, PX-KIT); final only after the manifest's grace."""
    return RemoteReport(
        video_id,
        VideoStatus.PENDING,
        error_kind=ErrorKind.NOT_FOUND,
        error_code=error.code,
        error_message=error.message,
        is_found=False,
        raw=dict(error.raw),
    )
