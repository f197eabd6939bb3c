"""The port between PixSim7 and a vendor: what an adapter declares, does and may raise."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from pixsim7_backend.domain.vocabulary import (
    ErrorKind,
    MediaType,
    OperationType,
    SubmissionClass,
    VideoStatus,
)

# --- parameters -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MediaSlot:
    """Marks a parameter as a reference to media; its kinds are enforced at acceptance."""

    kinds: tuple[MediaType, ...]


ImageRef = Annotated[
    str,
    MediaSlot((MediaType.IMAGE,)),
    Field(
        min_length=1,
        max_length=2048,
        json_schema_extra={"x-ui": {"widget": "media", "kinds": ["image"]}},
        description="An image: the id of an asset, or an https URL.",
    ),
]
VideoRef = Annotated[
    str,
    MediaSlot((MediaType.VIDEO,)),
    Field(
        min_length=1,
        max_length=2048,
        json_schema_extra={"x-ui": {"widget": "media", "kinds": ["video"]}},
        description="A video: the id of an asset, or an https URL.",
    ),
]


class OperationParams(BaseModel):
    """Base of every operation's parameters, in the universal vocabulary.

    Names shared by all vendors: prompt, negative_prompt, model, duration (seconds),
    aspect_ratio, quality, seed, image, last_image, images, video. What a vendor cannot do is a
    validation error here, never silently dropped.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt: str


# --- what an adapter declares -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one submission will cost, in the account's own credits."""

    credits: Decimal
    is_exact: bool = True
    note: str = ""


@dataclass(frozen=True, slots=True)
class OperationSpec:
    """One operation of a provider."""

    operation: OperationType
    params_model: type[OperationParams]
    output: MediaType
    estimate: Callable[[Any], Estimate]
    eta_s: Callable[[Any], float]
    """Expected seconds from acceptance to result; a first guess, refined by what accounts show."""
    submission_class: SubmissionClass
    evidence: str
    """Why the class is what it is: vendor text and date."""
    pins_to_source: tuple[str, ...] = ()
    """Slots whose media, when this provider made it, is named by the provider's own id and must
    therefore run on the account that made it."""


@dataclass(frozen=True, slots=True)
class CredentialField:
    """One field of an account's credentials; a secret one is write-only everywhere."""

    name: str
    label: str
    is_secret: bool = True
    is_required: bool = True
    help: str = ""


@dataclass(frozen=True, slots=True)
class PollPolicy:
    """When to ask for a status. All in seconds."""

    first_delay_s: float = 2.0
    min_interval_s: float = 3.0
    max_interval_s: float = 300.0
    not_found_grace_s: float = 60.0
    max_age_s: float = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model as a person reads it; its limits live in the parameter models."""

    id: str
    name: str
    operations: tuple[OperationType, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class ProviderManifest:
    """Everything the rest of PixSim7 knows about a provider."""

    id: str
    name: str
    summary: str
    operations: Mapping[OperationType, OperationSpec]
    models: tuple[ModelInfo, ...]
    credential_fields: tuple[CredentialField, ...] = ()
    default_base_url: str | None = None
    result_retention: timedelta = timedelta(hours=1)
    """How long a result's link surely lives; undocumented ones get a cautious guess."""
    charge_moment: Literal["submit", "completion"] = "submit"
    has_credits: bool = True
    has_cancel: bool = False
    has_balance: bool = False
    has_webhook: bool = False
    uploads_inputs: bool = False
    """Inputs are uploaded first (`upload`), and the reference is cached by account and content."""
    upload_lifetime: timedelta | None = None
    default_max_concurrent_jobs: int = 1
    poll: PollPolicy = field(default_factory=PollPolicy)
    prices_as_of: str = ""


# --- HTTP as an adapter sees it ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FormPart:
    """One part of a multipart body: a text value, or a file streamed from disk."""

    name: str
    value: str | Path
    filename: str | None = None
    content_type: str | None = None


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A whole answer, capped in size by the gateway."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Parse the body; raises ValueError on anything that is not strict JSON."""
        return json.loads(self.body, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


class HttpNotSent(Exception):
    """The request surely never left: refused, unresolvable, unreachable, or blocked by policy."""


class HttpUncertain(Exception):
    """The request may have arrived: the answer was lost, cut, too late or too large."""


@dataclass(frozen=True, slots=True)
class HttpStream:
    """A download under way."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


class HttpClient(Protocol):
    """The only way out. Raises `HttpNotSent` or `HttpUncertain`; any status is an answer."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        form: Sequence[FormPart] | None = None,
        timeout_s: float = 30.0,
    ) -> HttpResponse:
        """Send a request that costs nothing when repeated."""
        ...

    def stream(
        self, url: str, *, headers: Mapping[str, str] | None = None, timeout_s: float = 600.0
    ) -> AbstractAsyncContextManager[HttpStream]:
        """Download from `url`; redirects are followed by hand, each one checked."""
        ...


class BillableHttpClient(HttpClient, Protocol):
    """What `submit` gets: the one call that may cost money goes through `request_billable`."""

    async def request_billable(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        form: Sequence[FormPart] | None = None,
        timeout_s: float = 60.0,
    ) -> HttpResponse:
        """Send once on a fresh connection, after our intent is durable and before the first byte.

        Never retried, never redirected.
        """
        ...


@dataclass(frozen=True, slots=True)
class CallContext:
    """One opened credential and the way out; all that an adapter is given."""

    account_id: str
    base_url: str
    credentials: Mapping[str, str] = field(repr=False)
    http: HttpClient


@dataclass(frozen=True, slots=True)
class SubmitContext:
    """As `CallContext`, for the paid call."""

    account_id: str
    base_url: str
    credentials: Mapping[str, str] = field(repr=False)
    http: BillableHttpClient
    declare_intent: Callable[[], Awaitable[float | None]]
    """Makes the intent durable. `request_billable` calls it by itself; an adapter that does its
    work without HTTP awaits it right before the work starts. Raises when the submission may no
    longer be sent (cancelled, taken over)."""


# --- values that cross the port ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InputMedia:
    """One input of a submission. `path` is a readable local file for the time of the call."""

    slot: str
    media_type: MediaType
    sha256: str
    mime_type: str
    size_bytes: int
    path: Path
    uploaded: str | None = None
    """The provider's reference, when the manifest says `uploads_inputs`."""
    remote_id: str | None = None
    """The provider's own id of this media, when it was made on this very account."""


@dataclass(frozen=True, slots=True)
class SubmitRequest:
    """One submission, frozen. `key` is unique to it and the same on every resend of it."""

    key: str
    operation: OperationType
    params: OperationParams
    inputs: tuple[InputMedia, ...] = ()

    def slot(self, name: str) -> tuple[InputMedia, ...]:
        """The inputs given for one parameter, in order."""
        return tuple(media for media in self.inputs if media.slot == name)


@dataclass(frozen=True, slots=True)
class RemoteOutput:
    """One finished file at the provider."""

    url: str
    media_type: MediaType
    provider_asset_id: str
    expires_at: datetime | None = None
    width: int | None = None
    height: int | None = None
    duration_s: float | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider took the submission. Synchronous providers give `outputs` at once."""

    provider_job_id: str
    credits_charged: Decimal | None = None
    outputs: tuple[RemoteOutput, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SubmissionRef:
    """What is needed to ask about a submission."""

    key: str
    provider_job_id: str
    operation: OperationType
    accepted_at: datetime


@dataclass(frozen=True, slots=True)
class RemoteReport:
    """What the provider says now of one submission."""

    provider_job_id: str
    status: VideoStatus
    progress: float | None = None
    """0..1, only where the vendor tells."""
    outputs: tuple[RemoteOutput, ...] = ()
    credits_charged: Decimal | None = None
    """The final charge when known; zero when the vendor gave it back."""
    error_kind: ErrorKind | None = None
    error_code: str | None = None
    error_message: str | None = None
    is_found: bool = True
    """False when the vendor does not know the id (yet)."""
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Balance:
    """What the account can still spend."""

    credits: Decimal
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UploadedInput:
    """The provider's reference to an uploaded file."""

    reference: str
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What a look at the provider says of a submission whose answer was lost."""

    verdict: Literal["accepted", "absent", "unknown"]
    accepted: Accepted | None = None
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class WebhookNotice:
    """A verified callback: a hint that this provider job is worth a status call now."""

    provider_job_id: str
    event_id: str
    submission_key: str | None = None


class ProviderError(Exception):
    """The provider refused, or failed in a way it told us.

    Raised by an adapter for every answer that is not a success. `kind` decides what happens next;
    AMBIGUOUS after a paid call means that the submission may exist.
    """

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        *,
        code: str = "",
        retry_after_s: float | None = None,
        raw: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.code = code
        self.retry_after_s = retry_after_s
        self.raw = raw or {}


class WebhookRejected(Exception):
    """The callback is forged, stale or not for us."""


# --- what an adapter does ---------------------------------------------------------------------


class ProviderAdapter(Protocol):
    """A provider plug-in. Stateless about accounts: everything it needs comes with each call.

    Every verb may raise `ProviderError`, `HttpNotSent` or `HttpUncertain` and nothing else on
    purpose. Verbs that the manifest does not claim are never called.
    """

    @property
    def manifest(self) -> ProviderManifest: ...

    async def submit(self, request: SubmitRequest, context: SubmitContext) -> Accepted:
        """Start the work with exactly one billable call. Never retries."""
        ...

    async def poll(
        self, refs: Sequence[SubmissionRef], context: CallContext
    ) -> Sequence[RemoteReport]:
        """Report on each ref, in order; a ref whose call failed raises for the whole batch."""
        ...

    async def cancel(self, ref: SubmissionRef, context: CallContext) -> bool:
        """Ask the provider to stop; True when it said that it did."""
        ...

    async def balance(self, context: CallContext) -> Balance:
        """What the account can spend; also the test of a key."""
        ...

    async def upload(self, media: InputMedia, context: CallContext) -> UploadedInput:
        """Give the provider an input file. Costs nothing."""
        ...

    async def reconcile(self, request: SubmitRequest, context: CallContext) -> Reconciliation:
        """Find out what became of a submission whose answer was lost, without a paid call."""
        ...

    def verify_webhook(
        self, headers: Mapping[str, str], body: bytes, secret: str, now: datetime
    ) -> WebhookNotice:
        """Check a callback's signature; raises `WebhookRejected`."""
        ...

    def download(
        self, output: RemoteOutput, context: CallContext
    ) -> AbstractAsyncContextManager[HttpStream]:
        """Open the result's bytes. Most adapters stream `output.url` through `context.http`."""
        ...

    def close(self) -> None:
        """Let go of what the adapter holds in this process; nothing, for most."""
        ...
