"""The verbs of the PixVerse adapter."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any, TypeAlias, TypeVar

from pixsim7_backend.domain.provider import (
    Accepted,
    Balance,
    CallContext,
    FormPart,
    HttpNotSent,
    HttpStream,
    HttpUncertain,
    InputMedia,
    ProviderError,
    ProviderManifest,
    Reconciliation,
    RemoteOutput,
    RemoteReport,
    SubmissionRef,
    SubmitContext,
    SubmitRequest,
    UploadedInput,
    WebhookNotice,
)
from pixsim7_backend.domain.vocabulary import ErrorKind, MediaType
from pixsim7_backend.providers.pixverse import client, mapping, webhook
from pixsim7_backend.providers.pixverse.manifest import MANIFEST
from pixsim7_backend.providers.pixverse.wire import (
    BalanceResp,
    GenerateResp,
    ImageUploadResp,
    MediaUploadResp,
    ResultResp,
    Wire,
)

log = logging.getLogger(__name__)

MAX_PARALLEL_POLLS = 8
UPLOAD_TIMEOUT_S = 300.0
SUBMIT_TIMEOUT_S = 60.0

_IMAGE_TYPES = ("image/jpeg", "image/png", "image/webp")  # PX-REF
_VIDEO_TYPES = ("video/mp4", "video/quicktime", "video/webm")  # webm in newer text (PX-KIT)
_SUFFIXES = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/webm": "webm",
}
_MAX_IMAGE_BYTES = 20 * 1000 * 1000  # "below 20 MB" (PX-ERR), in the smaller reading
_MAX_VIDEO_BYTES = 50 * 1000 * 1000  # PX-GUIDE, PX-KIT

_Failed: TypeAlias = ProviderError | HttpNotSent | HttpUncertain
_Answer = TypeVar("_Answer", bound=Wire)


class PixverseAdapter:
    """PixVerse's platform API (v2). Holds no state."""

    @property
    def manifest(self) -> ProviderManifest:
        return MANIFEST

    def close(self) -> None:
        """There is nothing to let go of."""

    async def submit(self, request: SubmitRequest, context: SubmitContext) -> Accepted:
        """One paid POST; `request.key` is its trace id, which a callback brings back."""
        call = mapping.build_call(request, context.credentials.get("webhook_id") or None)
        response = await context.http.request_billable(
            "POST",
            client.url_of(context, call.path),
            headers=client.headers_of(context, request.key),
            json=call.body,
            timeout_s=SUBMIT_TIMEOUT_S,
        )
        resp = mapping.open_answer(
            response,
            GenerateResp,
            now=datetime.now(UTC),
            is_paid=True,
            hide=client.hider_of(context),
        )
        return mapping.read_accepted(resp)

    async def poll(
        self, refs: Sequence[SubmissionRef], context: CallContext
    ) -> Sequence[RemoteReport]:
        """One GET for each, at most eight at a time.

        A single failed call leaves its ref as it is; a refused key, or no answer at all, raises.
        """
        gate = asyncio.Semaphore(MAX_PARALLEL_POLLS)

        async def ask(ref: SubmissionRef) -> RemoteReport | _Failed:
            async with gate:
                return await self._poll_one(ref, context)

        outcomes = await asyncio.gather(*(ask(ref) for ref in refs))
        failures = [outcome for outcome in outcomes if not isinstance(outcome, RemoteReport)]
        _raise_common_failure(failures, len(outcomes))
        return [
            outcome
            if isinstance(outcome, RemoteReport)
            else mapping.still_running(ref.provider_job_id, note=f"no answer: {outcome}")
            for ref, outcome in zip(refs, outcomes, strict=True)
        ]

    async def _poll_one(self, ref: SubmissionRef, context: CallContext) -> RemoteReport | _Failed:
        video_id = ref.provider_job_id
        try:
            resp = await self._call(context, "GET", f"/video/result/{video_id}", ResultResp)
        except ProviderError as error:
            if error.kind is ErrorKind.NOT_FOUND:
                return mapping.not_found(video_id, error)
            if error.kind is ErrorKind.FILTERED:
                return mapping.refused_content(video_id, error)
            return error
        except (HttpNotSent, HttpUncertain) as error:
            return error
        return mapping.read_result(video_id, resp)

    async def cancel(self, ref: SubmissionRef, context: CallContext) -> bool:
        """PixVerse's platform API cannot stop a video (PX-REF)."""
        return False

    async def balance(self, context: CallContext) -> Balance:
        """Monthly and package credits together."""
        resp = await self._call(context, "GET", "/account/balance", BalanceResp)
        return mapping.read_balance(resp)

    async def upload(self, media: InputMedia, context: CallContext) -> UploadedInput:
        """Give PixVerse an image (`img_id`) or a video (`media_id`)."""
        _check_upload(media)
        filename = f"{media.sha256[:16]}.{_SUFFIXES[media.mime_type]}"
        if media.media_type is MediaType.IMAGE:
            # The part is called `image`, not `file` (PX-3P).
            part = FormPart("image", media.path, filename, media.mime_type)
            image = await self._call(context, "POST", "/image/upload", ImageUploadResp, form=[part])
            return UploadedInput(mapping.read_reference(image))
        form = [
            FormPart("file", media.path, filename, media.mime_type),
            FormPart("media_type", "video"),
        ]
        video = await self._call(context, "POST", "/media/upload", MediaUploadResp, form=form)
        return UploadedInput(mapping.read_reference(video))

    async def reconcile(self, request: SubmitRequest, context: CallContext) -> Reconciliation:
        """PixVerse lists no jobs: only a callback or a person can tell."""
        return Reconciliation(
            "unknown",
            evidence="PixVerse offers no list of jobs and no lookup by Ai-trace-id; its bill "
            "shows amounts but not surely the video (providers.md 1.13, November 2026).",
        )

    def verify_webhook(
        self, headers: Mapping[str, str], body: bytes, secret: str, now: datetime
    ) -> WebhookNotice:
        """Check a callback; the answer to PixVerse is HTTP 200 with the body `ok`."""
        return webhook.verify(headers, body, secret, now)

    def download(
        self, output: RemoteOutput, context: CallContext
    ) -> AbstractAsyncContextManager[HttpStream]:
        """The result's link is public: the key stays at home."""
        return context.http.stream(output.url)

    async def _call(
        self,
        context: CallContext,
        method: str,
        path: str,
        answer: type[_Answer],
        *,
        form: Sequence[FormPart] | None = None,
    ) -> _Answer:
        response = await context.http.request(
            method,
            client.url_of(context, path),
            headers=client.headers_of(context),
            form=form,
            timeout_s=UPLOAD_TIMEOUT_S if form else 30.0,
        )
        return mapping.open_answer(
            response, answer, now=datetime.now(UTC), hide=client.hider_of(context)
        )


def _raise_common_failure(failures: Sequence[_Failed], asked: int) -> None:
    """Raise for a refused key, or when nothing at all was answered."""
    for failure in failures:
        if isinstance(failure, ProviderError) and failure.kind is ErrorKind.AUTH:
            raise failure
    if failures and len(failures) == asked:
        # A told reason says more than a lost connection, and a rate limit says how long to wait.
        told: list[Any] = [item for item in failures if isinstance(item, ProviderError)]
        told.sort(key=lambda item: item.kind is not ErrorKind.RATE)
        raise told[0] if told else failures[0]


def _check_upload(media: InputMedia) -> None:
    """What PixVerse would refuse after the transfer (PX-REF, PX-GUIDE)."""
    is_image = media.media_type is MediaType.IMAGE
    types, limit, words = (
        (_IMAGE_TYPES, _MAX_IMAGE_BYTES, "JPEG, PNG and WebP images below 20 MB")
        if is_image
        else (_VIDEO_TYPES, _MAX_VIDEO_BYTES, "MP4, MOV and WebM videos up to 50 MB")
    )
    is_known = is_image or media.media_type is MediaType.VIDEO
    if not is_known or media.mime_type not in types or media.size_bytes > limit:
        raise ProviderError(
            ErrorKind.PARAM,
            f"PixVerse takes {words}; {media.slot} is {media.mime_type}, "
            f"{media.size_bytes:,} bytes.",
            code="input_refused",
        )
