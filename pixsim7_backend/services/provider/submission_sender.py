"""Sending one submission: claim, prepare, intent, the one paid call, testimony.

No transaction is open while the provider is called. What follows from the outcome is applied by
`ProviderService` and, for the job, by `JobRunner`.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, Protocol
from uuid import UUID
from weakref import WeakValueDictionary

import structlog

from pixsim7_backend.domain.account import ProviderAccount
from pixsim7_backend.domain.provider import (
    Accepted,
    HttpNotSent,
    HttpUncertain,
    InputMedia,
    OperationParams,
    ProviderError,
    RemoteOutput,
    SubmitRequest,
)
from pixsim7_backend.domain.submission import ProviderSubmission, SubmissionEvidence
from pixsim7_backend.domain.vocabulary import ErrorKind, MediaType, SubmissionClass
from pixsim7_backend.infrastructure.database.engine import Database
from pixsim7_backend.infrastructure.database.errors import (
    DatabaseUnavailable,
    outlast_trouble,
)
from pixsim7_backend.infrastructure.database.repositories.job import JobRepository
from pixsim7_backend.infrastructure.database.repositories.submission import (
    SecondUnknown,
    SubmissionRepository,
)
from pixsim7_backend.infrastructure.http_transport import boot_time
from pixsim7_backend.services.account.account_service import AccountService
from pixsim7_backend.services.provider.provider_calls import ProviderCalls
from pixsim7_backend.services.provider.registry import ProviderRegistry
from pixsim7_backend.shared.fail_points import fail_point

log = structlog.get_logger()

MAX_SEND_S = 900.0
"""A try that takes longer is not kept alive any more, whatever it still waits for."""
TESTIMONY_LIMIT_S = 3600.0


class SubmissionWithdrawn(Exception):
    """The submission may no longer be sent: its job was cancelled, or somebody took it over."""


class LeaseLost(Exception):
    """The lease ran out before the intent: somebody else may have it by now."""


class AccountSending(Exception):
    """Another submission of this account and operation has no outcome yet; try again soon."""


class InputUnavailable(Exception):
    """An input of the job cannot be used; the message is for the person."""


class InputNotReady(Exception):
    """An input of the job is not here yet; trying again later helps."""


class InputSource(Protocol):
    """Where inputs come from; the asset services implement it."""

    def open_inputs(
        self, user_id: UUID, params: OperationParams, account: ProviderAccount
    ) -> AbstractAsyncContextManager[tuple[InputMedia, ...]]:
        """Local files of all media that the parameters name, for the time of the block.

        Raises `InputUnavailable` or `InputNotReady`.
        """
        ...


@dataclass(frozen=True, slots=True)
class SendOutcome:
    """What became of one try to send. `fence` is that of the try."""

    kind: Literal["accepted", "refused", "not_sent", "unknown", "withdrawn", "busy"]
    fence: int
    accepted: Accepted | None = None
    error: ProviderError | None = None
    reason: str = ""


class SubmissionSender:
    """The submission protocol up to the testimony (docs/architecture.md)."""

    def __init__(
        self,
        database: Database,
        registry: ProviderRegistry,
        accounts: AccountService,
        calls: ProviderCalls,
        inputs: InputSource,
        lease: timedelta,
    ) -> None:
        self._db = database
        self._registry = registry
        self._accounts = accounts
        self._calls = calls
        self._inputs = inputs
        self._lease = lease
        # Spares the database's single-doubt index most of its refusals.
        self._gates: WeakValueDictionary[tuple[UUID, str], asyncio.Lock] = WeakValueDictionary()

    async def send(
        self, submission_id: UUID, turn: AsyncExitStack | None = None
    ) -> SendOutcome | None:
        """Try to send a reserved submission once. None: it is not ours to send.

        The next submission that may not be in doubt beside this one waits for the end of `turn`,
        which its owner keeps open until the outcome is applied; else for the answer only.
        """
        async with self._db.transaction() as tx:
            submission = await SubmissionRepository(tx.session).claim_for_sending(
                submission_id, self._lease
            )
            if submission is None:
                return None
            account = await self._accounts.get_account(submission.account_id)
        await fail_point("claim.after")
        async with AsyncExitStack() as call, self._kept(submission):
            outcome = await self._try(submission, account, turn or call, resend=False)
        await self._testify(submission, outcome, resend=False)
        return outcome

    @asynccontextmanager
    async def _kept(self, submission: ProviderSubmission) -> AsyncIterator[None]:
        """Renew the lease while the block works: inputs may be large and vendors slow."""
        beat = asyncio.create_task(self._beat(submission))
        try:
            yield
        finally:
            beat.cancel()
            await asyncio.wait([beat])

    async def _beat(self, submission: ProviderSubmission) -> None:
        until = time.monotonic() + MAX_SEND_S
        while time.monotonic() < until:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            try:
                async with self._db.transaction() as tx:
                    await SubmissionRepository(tx.session).renew_lease(
                        submission.id, submission.fence, self._lease
                    )
            except Exception as error:  # the next beat may get through
                log.warning("lease_not_renewed", error=repr(error))

    async def resend(self, submission: ProviderSubmission) -> SendOutcome:
        """Send the same bytes under the same key again; only where the provider de-duplicates."""
        if submission.submission_class is not SubmissionClass.KEYED:
            raise ValueError("only a keyed submission may be sent again")
        account = await self._accounts.get_account(submission.account_id)
        async with AsyncExitStack() as turn:
            outcome = await self._try(submission, account, turn, resend=True)
        await self._testify(submission, outcome, resend=True)
        return outcome

    async def _try(
        self,
        submission: ProviderSubmission,
        account: ProviderAccount,
        turn: AsyncExitStack,
        *,
        resend: bool,
    ) -> SendOutcome:
        fence = submission.fence
        try:
            params = self.params_of(submission)
            async with self._inputs.open_inputs(submission.user_id, params, account) as inputs:
                prepared, remembered = await self._upload(account, inputs)
                request = SubmitRequest(submission.key, submission.operation_type, params, prepared)
                outcome = await self._call(submission, account, request, turn, resend=resend)
            if remembered and not resend:
                outcome = await self._doubt_memory(account, remembered, outcome)
            return outcome
        except InputUnavailable as error:
            refusal = ProviderError(ErrorKind.PARAM, str(error), code="input_unavailable")
            return SendOutcome("refused", fence, error=refusal)
        except ProviderError as error:
            # Raised while preparing: nothing billable was sent.
            return SendOutcome("refused", fence, error=error)
        except (InputNotReady, HttpNotSent, HttpUncertain, DatabaseUnavailable) as error:
            return SendOutcome("not_sent", fence, reason=str(error))

    def params_of(self, submission: ProviderSubmission) -> OperationParams:
        """The frozen parameters of a submission."""
        spec = self._registry.operation(submission.provider_id, submission.operation_type)
        return spec.params_model.model_validate(submission.request["params"])

    async def _upload(
        self, account: ProviderAccount, inputs: Sequence[InputMedia]
    ) -> tuple[tuple[InputMedia, ...], list[str]]:
        """The inputs with the provider's references to them, and which of these are from earlier
        submissions."""
        adapter = self._calls.adapter(account)
        if not adapter.manifest.uploads_inputs:
            return tuple(inputs), []
        prepared, remembered = [], []
        for media in inputs:
            if media.remote_id is not None:
                prepared.append(media)
                continue
            reference = await self._known_upload(account, media)
            if reference is None:
                reference = await self._new_upload(account, media)
            else:
                remembered.append(reference)
            prepared.append(replace(media, uploaded=reference))
        return tuple(prepared), remembered

    async def _known_upload(self, account: ProviderAccount, media: InputMedia) -> str | None:
        async with self._db.transaction() as tx:
            known = await SubmissionRepository(tx.session).find_upload(account.id, media.sha256)
        return None if known is None else known.reference

    async def _new_upload(self, account: ProviderAccount, media: InputMedia) -> str:
        await fail_point("prepare.before_upload")
        adapter = self._calls.adapter(account)
        uploaded = await adapter.upload(media, self._calls.context(account))
        await fail_point("prepare.after_upload")
        async with self._db.transaction() as tx:
            await SubmissionRepository(tx.session).save_upload(
                account.id, media.sha256, uploaded.reference, uploaded.expires_at
            )
        return uploaded.reference

    async def _doubt_memory(
        self, account: ProviderAccount, remembered: Sequence[str], outcome: SendOutcome
    ) -> SendOutcome:
        """An input that the provider does not know may be an upload that it has dropped since.

        The references are forgotten, so that the next attempt uploads anew, and a second refusal
        there, of references that are fresh, is final.
        """
        error = outcome.error
        if outcome.kind != "refused" or error is None or error.kind is not ErrorKind.NOT_FOUND:
            return outcome

        async def forget() -> None:
            async with self._db.transaction() as tx:
                await SubmissionRepository(tx.session).forget_uploads(account.id, remembered)

        await outlast_trouble(forget, TESTIMONY_LIMIT_S)
        passing = ProviderError(ErrorKind.TRANSIENT, error.message, code=error.code, raw=error.raw)
        return replace(outcome, error=passing)

    async def _call(
        self,
        submission: ProviderSubmission,
        account: ProviderAccount,
        request: SubmitRequest,
        turn: AsyncExitStack,
        *,
        resend: bool,
    ) -> SendOutcome:
        adapter = self._calls.adapter(account)
        fence = submission.fence
        declared = False

        async def declare_intent() -> float:
            nonlocal declared
            await fail_point("submit.before_intent")
            at = boot_time() if resend else await self._declare_intent(submission, request)
            declared = True
            await fail_point("submit.after_intent")
            return at

        try:
            await turn.enter_async_context(self._gate(submission))
            context = self._calls.submit_context(account, declare_intent)
            await fail_point("submit.before_connect")
            accepted = await adapter.submit(request, context)
            if not declared and not resend:
                raise RuntimeError(f"{submission.provider_id} did not declare its intent")
            await fail_point("submit.after_body")
        except SubmissionWithdrawn as error:
            return SendOutcome("withdrawn", fence, reason=str(error))
        except (AccountSending, LeaseLost):
            return SendOutcome("busy", fence)
        except Exception as error:
            return _read_failure(submission, error, declared=declared)
        return SendOutcome("accepted", fence, accepted=accepted)

    def _gate(self, submission: ProviderSubmission) -> AbstractAsyncContextManager[object]:
        if submission.submission_class in (SubmissionClass.KEYED, SubmissionClass.FINDABLE):
            return asyncio.Lock()
        key = (submission.account_id, submission.operation_type.value)
        gate = self._gates.get(key)
        if gate is None:
            gate = self._gates[key] = asyncio.Lock()
        return gate

    async def _declare_intent(
        self, submission: ProviderSubmission, request: SubmitRequest
    ) -> float:
        """T3: durable before the first byte, and impossible once the job was cancelled.

        Returns the clock's reading just before the commit: the gateway sends nothing much later.
        """
        try:
            async with self._db.transaction() as tx:
                job = await JobRepository(tx.session).lock(submission.job_id)
                if job is None or job.cancel_requested_at is not None or job.is_final:
                    raise SubmissionWithdrawn("the job was cancelled")
                moved = await SubmissionRepository(tx.session).declare_intent(
                    submission.id, submission.fence, digest(request), self._lease
                )
                if moved is None:
                    raise LeaseLost("another worker may have taken it over")
                at = boot_time()
        except SecondUnknown:
            raise AccountSending from None
        return at

    async def _testify(
        self, submission: ProviderSubmission, outcome: SendOutcome, *, resend: bool
    ) -> None:
        """Evidence commits alone and without a fence, so that it survives whatever comes next. A
        lost database is waited for: nobody else knows what the provider said."""
        if outcome.kind in ("withdrawn", "busy"):
            return
        await outlast_trouble(
            lambda: self._write_testimony(submission, outcome, resend=resend), TESTIMONY_LIMIT_S
        )
        await fail_point("submit.after_evidence")

    async def _write_testimony(
        self, submission: ProviderSubmission, outcome: SendOutcome, *, resend: bool
    ) -> None:
        kinds = {"accepted": "response", "refused": "refusal", "unknown": "no_answer"}
        detail: dict[str, Any] = {"reason": outcome.reason} if outcome.reason else {}
        if resend:
            detail["resend"] = True
        if outcome.error is not None:
            detail |= {
                "kind": outcome.error.kind.value,
                "code": outcome.error.code,
                "message": outcome.error.message[:500],
            }
        accepted = outcome.accepted
        if accepted is not None:
            detail |= _accepted_to_json(accepted)
        async with self._db.transaction() as tx:
            await SubmissionRepository(tx.session).add_evidence(
                submission.id,
                kinds.get(outcome.kind, "not_sent"),
                outcome.fence,
                provider_job_id=None if accepted is None else accepted.provider_job_id,
                detail=detail,
            )


def _read_failure(
    submission: ProviderSubmission, error: Exception, *, declared: bool
) -> SendOutcome:
    """What a failed call says. Whatever is not surely unsent or surely refused is unknown."""
    fence = submission.fence
    if isinstance(error, ProviderError):
        if error.kind is ErrorKind.AMBIGUOUS and declared:
            return SendOutcome("unknown", fence, error=error, reason=error.message)
        return SendOutcome("refused", fence, error=error)
    if isinstance(error, HttpNotSent) or not declared:
        if not isinstance(error, (HttpNotSent, HttpUncertain)):
            log.exception("submit_failed", submission_id=str(submission.id))
        return SendOutcome("not_sent", fence, reason=str(error) or type(error).__name__)
    if not isinstance(error, HttpUncertain):
        log.exception("submit_failed", submission_id=str(submission.id))
    return SendOutcome("unknown", fence, reason=str(error) or type(error).__name__)


def _accepted_to_json(accepted: Accepted) -> dict[str, Any]:
    charged = accepted.credits_charged
    data: dict[str, Any] = {} if charged is None else {"credits_charged": str(charged)}
    if accepted.outputs:
        data["outputs"] = [output_to_json(output) for output in accepted.outputs]
    return data


def accepted_from(evidence: SubmissionEvidence) -> Accepted:
    """What the provider had said, from what was written down of it."""
    charged = evidence.detail.get("credits_charged")
    return Accepted(
        evidence.provider_job_id or "",
        None if charged is None else Decimal(charged),
        tuple(output_from_json(data) for data in evidence.detail.get("outputs", ())),
    )


def output_to_json(output: RemoteOutput) -> dict[str, Any]:
    data = asdict(output)
    data["media_type"] = output.media_type.value
    data["expires_at"] = None if output.expires_at is None else output.expires_at.isoformat()
    return data


def output_from_json(data: Mapping[str, Any]) -> RemoteOutput:
    expires_at = data.get("expires_at")
    return RemoteOutput(
        **{
            **data,
            "media_type": MediaType(data["media_type"]),
            "expires_at": None if expires_at is None else datetime.fromisoformat(expires_at),
        }
    )


def digest(request: SubmitRequest) -> bytes:
    """SHA-256 of what was asked, without credentials."""
    body = {
        "operation": request.operation.value,
        "params": request.params.model_dump(mode="json"),
        "inputs": [
            {"slot": media.slot, "sha256": media.sha256, "uploaded": media.uploaded}
            for media in request.inputs
        ],
    }
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()
