"""Providers and what they offer."""

from datetime import datetime
from functools import cache
from typing import Any, Literal, Self

from pydantic import Field

from pixsim7_backend.api.schemas.base import Out
from pixsim7_backend.domain.provider import OperationParams, OperationSpec, ProviderManifest
from pixsim7_backend.domain.vocabulary import MediaType, OperationType
from pixsim7_backend.services.job.job_service import MAX_BATCH
from pixsim7_backend.services.provider.registry import media_slots


class CredentialFieldRead(Out):
    name: str
    label: str
    is_secret: bool
    is_required: bool
    help: str


class ModelRead(Out):
    id: str
    name: str
    operations: list[OperationType]
    note: str


class Availability(Out):
    """What your accounts of the provider could take now."""

    state: Literal["free", "busy", "cooling", "unable", "no_account"]
    sentence: str
    accounts: int = Field(description="Accounts that you may use.")
    accounts_able: int = Field(description="Those in service and not cooling down.")
    accounts_free: int = Field(description="Those able ones with a free slot.")
    accounts_busy: int
    accounts_cooling: int
    cooling_until: datetime | None = Field(description="When the first of them goes on.")
    slots: int
    slots_free: int


class ProviderRead(Out):
    id: str
    name: str
    summary: str
    operations: list[OperationType]
    models: list[ModelRead]
    credential_fields: list[CredentialFieldRead]
    default_base_url: str | None
    default_max_concurrent_jobs: int
    charge_moment: Literal["submit", "completion"]
    has_credits: bool
    has_cancel: bool
    has_balance: bool
    has_webhook: bool
    result_retention_s: float
    prices_as_of: str
    availability: Availability

    @classmethod
    def of(cls, manifest: ProviderManifest, availability: Availability) -> Self:
        return cls(
            id=manifest.id,
            name=manifest.name,
            summary=manifest.summary,
            operations=sorted(manifest.operations),
            models=[ModelRead.model_validate(model) for model in manifest.models],
            credential_fields=[
                CredentialFieldRead.model_validate(field) for field in manifest.credential_fields
            ],
            default_base_url=manifest.default_base_url,
            default_max_concurrent_jobs=manifest.default_max_concurrent_jobs,
            charge_moment=manifest.charge_moment,
            has_credits=manifest.has_credits,
            has_cancel=manifest.has_cancel,
            has_balance=manifest.has_balance,
            has_webhook=manifest.has_webhook,
            result_retention_s=manifest.result_retention.total_seconds(),
            prices_as_of=manifest.prices_as_of,
            availability=availability,
        )


class ProviderList(Out):
    items: list[ProviderRead]


class InputSlot(Out):
    """A parameter that names media."""

    name: str
    kinds: list[MediaType]
    is_list: bool
    is_required: bool
    min_items: int
    max_items: int


class OperationLimits(Out):
    max_prompt_length: int | None
    max_batch: int = Field(description="Jobs in one submit.")
    slots: int = Field(description="Jobs that your accounts in service run at once.")


class OperationRead(Out):
    """One operation of one provider, with all that a form needs."""

    provider_id: str
    provider_name: str
    operation_type: OperationType
    title: str
    description: str
    output: MediaType
    models: list[ModelRead]
    inputs: list[InputSlot]
    params_schema: dict[str, Any] = Field(description="JSON Schema of a job's `params`.")
    has_credits: bool
    price_unit: Literal["credits", "none"]
    limits: OperationLimits
    prices_as_of: str
    charge_moment: Literal["submit", "completion"]
    may_repeat_safely: bool = Field(
        description="Whether a lost answer can be settled without a person."
    )
    availability: Availability

    @classmethod
    def of(
        cls, manifest: ProviderManifest, spec: OperationSpec, availability: Availability
    ) -> Self:
        schema = params_schema(spec.params_model)
        return cls(
            provider_id=manifest.id,
            provider_name=manifest.name,
            operation_type=spec.operation,
            title=spec.operation.value.replace("_", " ").capitalize(),
            description=schema.get("description", ""),
            output=spec.output,
            models=[
                ModelRead.model_validate(model)
                for model in manifest.models
                if spec.operation in model.operations
            ],
            inputs=_inputs(spec.params_model, schema),
            params_schema=schema,
            has_credits=manifest.has_credits,
            price_unit="credits" if manifest.has_credits else "none",
            limits=OperationLimits(
                max_prompt_length=schema["properties"]["prompt"].get("maxLength"),
                max_batch=MAX_BATCH,
                slots=availability.slots,
            ),
            prices_as_of=manifest.prices_as_of,
            charge_moment=manifest.charge_moment,
            may_repeat_safely=spec.submission_class.value in ("A", "B"),
            availability=availability,
        )


class OperationList(Out):
    items: list[OperationRead]


@cache
def params_schema(model: type[OperationParams]) -> dict[str, Any]:
    """The JSON Schema of an operation's parameters, as one would send them.

    It stays within what forms know: plain fields and lists of words, no references.
    """
    schema = model.model_json_schema(mode="validation")
    for described in schema["properties"].values():
        for name in ("title", "description", "x-ui"):
            # Of a list's items: the list itself says it.
            described.get("items", {}).pop(name, None)
    return schema


def _inputs(model: type[OperationParams], schema: dict[str, Any]) -> list[InputSlot]:
    found = []
    for name, slot in media_slots(model).items():
        described = schema.get("properties", {}).get(name, {})
        is_list = described.get("type") == "array"
        is_required = name in schema.get("required", ())
        found.append(
            InputSlot(
                name=name,
                kinds=list(slot.kinds),
                is_list=is_list,
                is_required=is_required,
                min_items=described.get("minItems", int(is_required)),
                max_items=described.get("maxItems", 100) if is_list else 1,
            )
        )
    return found
