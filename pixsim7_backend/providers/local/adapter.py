"""Provider `local`: the built-in procedural renderer, free, offline and always there."""

import asyncio
import os
import threading
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from pixsim7_backend.domain.provider import (
    Accepted,
    Balance,
    CallContext,
    HttpStream,
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
    WebhookRejected,
)
from pixsim7_backend.domain.vocabulary import ErrorKind, MediaType, VideoStatus
from pixsim7_backend.providers.local.manifest import make_manifest
from pixsim7_backend.providers.local.pool import RenderPool
from pixsim7_backend.providers.local.spool import MAX_AGE_S, Entry, Spool

MIME_TYPES = {".mp4": "video/mp4", ".png": "image/png", ".webp": "image/webp"}
CHUNK = 256 * 1024


class LocalAdapter:
    """Renders in child processes; everything it knows is in the spool directory."""

    def __init__(self, spool: Path, machine_id: str, *, renderers: int | None = None) -> None:
        # Painting and encoding each keep a core busy.
        size = renderers or max(1, (os.cpu_count() or 2) // 2)
        self._manifest = make_manifest(size)
        self.machine_id = machine_id
        self.spool = Spool(spool)
        self.pool = RenderPool(self.spool, size)
        self._swept = False
        self._sweep_lock = threading.Lock()

    @property
    def manifest(self) -> ProviderManifest:
        return self._manifest

    async def submit(self, request: SubmitRequest, context: SubmitContext) -> Accepted:
        """Put the work into the spool and start it; the same key is the same work."""
        entry = self.spool.entry(request.key)
        accepted = Accepted(f"{self.machine_id}:{request.key}", credits_charged=Decimal(0))
        if await asyncio.to_thread(entry.exists):
            await context.declare_intent()
            await asyncio.to_thread(self._tend)
            return accepted
        draft = await asyncio.to_thread(self._draft, request)
        try:
            await context.declare_intent()
        except BaseException:
            self.spool.discard(draft)
            raise
        await asyncio.to_thread(self.spool.publish, draft, entry)
        await asyncio.to_thread(self._tend)
        return accepted

    def _draft(self, request: SubmitRequest) -> Path:
        params = request.params.model_dump(exclude={"image", "images", "video", "model"})
        suffix = f".{params.pop('format', 'mp4')}"
        if (seed := params.pop("seed", None)) is None:
            seed = zlib.crc32(request.key.encode()) & 0x7FFFFFFF
        if "duration" in params:
            params["duration_s"] = params.pop("duration")
        data = {
            "operation": request.operation.value,
            "film": {**params, "seed": seed},
            "suffix": suffix,
        }
        try:
            return self.spool.prepare(request.key, data, [media.path for media in request.inputs])
        except OSError as error:
            message = f"The renderer's spool cannot be written ({error.strerror})."
            raise ProviderError(ErrorKind.TRANSIENT, message) from error

    def _tend(self) -> None:
        """Once per process: sweep. Always: start what waits."""
        with self._sweep_lock:
            if not self._swept:
                self._swept = True
                self.spool.sweep()
        self.pool.pump()

    async def poll(
        self, refs: Sequence[SubmissionRef], context: CallContext
    ) -> Sequence[RemoteReport]:
        """Read the spool; work whose renderer died is started again."""
        await asyncio.to_thread(self._tend)
        return await asyncio.to_thread(lambda: [self._report(ref) for ref in refs])

    def _is_ours(self, ref: SubmissionRef) -> bool:
        return ref.provider_job_id == f"{self.machine_id}:{ref.key}"

    def _report(self, ref: SubmissionRef) -> RemoteReport:
        if not self._is_ours(ref):
            return RemoteReport(ref.provider_job_id, VideoStatus.PROCESSING)
        entry, job_id = self.spool.entry(ref.key), ref.provider_job_id
        if (file := entry.result()) is not None:
            output = self._output(file, job_id)
            return RemoteReport(
                job_id, VideoStatus.COMPLETED, 1.0, (output,), credits_charged=Decimal(0)
            )
        if not entry.exists():
            return self._failed(
                job_id, ErrorKind.TRANSIENT, "vanished", "The renderer's files are gone."
            )
        if entry.is_cancelled():
            return RemoteReport(job_id, VideoStatus.CANCELLED, credits_charged=Decimal(0))
        if (failure := entry.failure()) is not None:
            kind, message = failure
            return self._failed(job_id, ErrorKind(kind), "render_failed", message)
        progress = entry.progress()
        running = self.pool.is_running(entry) or entry.is_locked()
        status = VideoStatus.PROCESSING if running else VideoStatus.PENDING
        return RemoteReport(job_id, status, progress)

    @staticmethod
    def _failed(job_id: str, kind: ErrorKind, code: str, message: str) -> RemoteReport:
        return RemoteReport(
            job_id,
            VideoStatus.FAILED,
            credits_charged=Decimal(0),
            error_kind=kind,
            error_code=code,
            error_message=message,
        )

    @staticmethod
    def _output(file: Path, job_id: str) -> RemoteOutput:
        made = datetime.fromtimestamp(file.stat().st_mtime, UTC)
        return RemoteOutput(
            url=f"local://{job_id}/{file.name}",
            media_type=MediaType.VIDEO if file.suffix == ".mp4" else MediaType.IMAGE,
            provider_asset_id=job_id,
            expires_at=made + timedelta(seconds=MAX_AGE_S),
        )

    async def cancel(self, ref: SubmissionRef, context: CallContext) -> bool:
        """Stop the renderer; a result that is already there wins."""
        entry = self.spool.entry(ref.key)

        def stop() -> bool:
            if not self._is_ours(ref) or not entry.exists() or entry.result() is not None:
                return False
            entry.cancel()
            return True

        return await asyncio.to_thread(stop)

    async def balance(self, context: CallContext) -> Balance:
        """Nothing to spend, nothing to pay."""
        return Balance(Decimal(0), {"note": "The built-in renderer is free."})

    async def upload(self, media: InputMedia, context: CallContext) -> UploadedInput:
        raise ProviderError(ErrorKind.PARAM, "The built-in renderer reads files where they are.")

    async def reconcile(self, request: SubmitRequest, context: CallContext) -> Reconciliation:
        """The spool knows; sending the same key again is harmless."""
        entry = self.spool.entry(request.key)
        if await asyncio.to_thread(entry.exists):
            accepted = Accepted(f"{self.machine_id}:{request.key}", credits_charged=Decimal(0))
            return Reconciliation("accepted", accepted, "The spool has an entry of this key.")
        return Reconciliation("absent", evidence="The spool has no entry of this key.")

    def verify_webhook(
        self, headers: Mapping[str, str], body: bytes, secret: str, now: datetime
    ) -> WebhookNotice:
        raise WebhookRejected("The built-in renderer sends no webhooks.")

    def download(
        self, output: RemoteOutput, context: CallContext
    ) -> AbstractAsyncContextManager[HttpStream]:
        """Stream the result's bytes from the spool."""
        return self._open(output)

    @asynccontextmanager
    async def _open(self, output: RemoteOutput) -> AsyncIterator[HttpStream]:
        prefix = f"{self.machine_id}:"
        job_id = output.provider_asset_id
        if not job_id.startswith(prefix):
            raise ProviderError(ErrorKind.TRANSIENT, "This result is on another machine.")
        entry: Entry = self.spool.entry(job_id.removeprefix(prefix))
        path = await asyncio.to_thread(entry.result)
        if path is None:
            yield HttpStream(404, {}, _nothing())
            return
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            headers = {"content-length": str(size), "content-type": MIME_TYPES[path.suffix]}
            yield HttpStream(200, headers, _chunks(file))

    def close(self) -> None:
        """End the renderers of this process."""
        self.pool.close()


async def _chunks(file: Any) -> AsyncIterator[bytes]:
    while block := await asyncio.to_thread(file.read, CHUNK):
        yield block


async def _nothing() -> AsyncIterator[bytes]:
    for block in tuple[bytes, ...]():
        yield block
