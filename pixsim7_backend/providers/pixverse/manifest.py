"""What PixSim7 knows of PixVerse before any call."""

from datetime import timedelta

from pixsim7_backend.domain.provider import (
    CredentialField,
    ModelInfo,
    OperationParams,
    OperationSpec,
    PollPolicy,
    ProviderManifest,
)
from pixsim7_backend.domain.vocabulary import MediaType, OperationType, SubmissionClass
from pixsim7_backend.providers.pixverse import pricing
from pixsim7_backend.providers.pixverse.models import MODELS
from pixsim7_backend.providers.pixverse.params import (
    ExtendParams,
    FusionParams,
    ImageToVideoParams,
    TextToVideoParams,
    TransitionParams,
)

BASE_URL = "https://app-api.pixverse.ai/openapi/v2"  # PX-REF, PX-MCP

EVIDENCE = (
    "PixVerse requires a new Ai-trace-id for every request (PX-REF, PX-GUIDE). A third-party "
    "client saw a reused one answered with the earlier result (PX-3P), but no page documents "
    "that, its scope or its window, and there is no list of jobs to look in (providers.md 1.1, "
    "1.3, 1.13; November 2026). So a lost answer is never resent."
)

_PARAMS: dict[OperationType, type[OperationParams]] = {
    OperationType.TEXT_TO_VIDEO: TextToVideoParams,
    OperationType.IMAGE_TO_VIDEO: ImageToVideoParams,
    OperationType.VIDEO_TRANSITION: TransitionParams,
    OperationType.FUSION: FusionParams,
    OperationType.VIDEO_EXTEND: ExtendParams,
}


def _spec(operation: OperationType) -> OperationSpec:
    return OperationSpec(
        operation=operation,
        params_model=_PARAMS[operation],
        output=MediaType.VIDEO,
        estimate=pricing.estimate,
        eta_s=pricing.eta_s,
        submission_class=SubmissionClass.BLIND,
        evidence=EVIDENCE,
        # A video's own id works on the account that made it only (PX-KIT; inferred, unverified).
        pins_to_source=("video",) if operation is OperationType.VIDEO_EXTEND else (),
    )


def _models() -> tuple[ModelInfo, ...]:
    def operations_of(model_id: str) -> tuple[OperationType, ...]:
        return tuple(
            operation
            for operation, params in _PARAMS.items()
            if model_id in params.model_json_schema()["properties"]["model"]["enum"]
        )

    return tuple(
        ModelInfo(model.id, model.name, operations_of(model.id), model.note)
        for model in MODELS.values()
    )


MANIFEST = ProviderManifest(
    id="pixverse",
    name="PixVerse",
    summary="Videos from text, images and other videos by PixVerse's platform API. Its credits "
    "are apart from those of the PixVerse web app.",
    operations={operation: _spec(operation) for operation in _PARAMS},
    models=_models(),
    credential_fields=(
        CredentialField(
            "api_key",
            "API key",
            help="From the developer console of platform.pixverse.ai; it starts with sk-.",
        ),
        CredentialField(
            "webhook_id",
            "Webhook id",
            is_secret=False,
            is_required=False,
            help="Of a webhook made in the PixVerse console: results are then known sooner.",
        ),
        CredentialField(
            "webhook_secret",
            "Webhook secret",
            is_required=False,
            help="The secret of that webhook; callbacks are refused without it.",
        ),
    ),
    default_base_url=BASE_URL,
    # No lifetime is documented and links look permanent; a cautious guess (PX-3P: 14 days).
    result_retention=timedelta(hours=1),
    # Inferred from the refund lines of the bill (PX-KIT, unverified).
    charge_moment="submit",
    has_credits=True,
    has_cancel=False,
    has_balance=True,
    has_webhook=True,
    uploads_inputs=True,
    # How long an upload can be referred to is not documented.
    upload_lifetime=None,
    # Plan "Essential", August 2025 (PX-USE); other plans are not published.
    default_max_concurrent_jobs=5,
    poll=PollPolicy(
        first_delay_s=4.0,
        min_interval_s=3.0,  # "every 3 to 5 s" (PX-GUIDE)
        max_interval_s=60.0,
        not_found_grace_s=120.0,
        # PixVerse frees a hanging video's slot after 10 minutes (PX-ERR): far longer than that.
        max_age_s=2 * 3600.0,
    ),
    prices_as_of=pricing.PRICES.as_of,
)
