"""The providers of this installation."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from pixsim7_backend.domain.job import InvalidJob
from pixsim7_backend.domain.provider import (
    MediaSlot,
    OperationParams,
    OperationSpec,
    PollPolicy,
    ProviderAdapter,
)
from pixsim7_backend.domain.vocabulary import OperationType
from pixsim7_backend.shared.errors import FieldProblem, InvalidInput, NotFound


class ProviderNotFound(NotFound):
    code = "provider_not_found"
    title = "No such provider"


class ProviderRegistry:
    """Adapters by id. Names and validates operations; knows nothing about accounts."""

    def __init__(self, adapters: Iterable[ProviderAdapter], poll_pace: float = 1.0) -> None:
        self._poll_pace = poll_pace
        self._adapters = {adapter.manifest.id: adapter for adapter in adapters}

    def __iter__(self) -> Iterator[ProviderAdapter]:
        return iter(sorted(self._adapters.values(), key=lambda adapter: adapter.manifest.id))

    def poll_policy(self, provider_id: str) -> PollPolicy:
        """When to ask this provider, at this installation's pace."""
        policy = self.adapter(provider_id).manifest.poll
        return replace(
            policy,
            first_delay_s=policy.first_delay_s * self._poll_pace,
            min_interval_s=policy.min_interval_s * self._poll_pace,
        )

    def ids(self) -> list[str]:
        return sorted(self._adapters)

    def adapter(self, provider_id: str) -> ProviderAdapter:
        """Raises `ProviderNotFound`."""
        adapter = self._adapters.get(provider_id)
        if adapter is None:
            raise ProviderNotFound(f"There is no provider {provider_id!r}.")
        return adapter

    def operation(self, provider_id: str, operation: str) -> OperationSpec:
        """The operation as the provider offers it; raises `InvalidJob` naming what is allowed."""
        adapter = self._adapters.get(provider_id)
        if adapter is None:
            problem = FieldProblem("provider_id", "is not a known provider", self.ids())
            raise InvalidJob(f"There is no provider {provider_id!r}.", fields=[problem])
        manifest = adapter.manifest
        offered = sorted(item.value for item in manifest.operations)
        if operation not in offered:
            problem = FieldProblem("operation_type", f"is not offered by {manifest.name}", offered)
            raise InvalidJob(f"{manifest.name} does not offer {operation!r}.", fields=[problem])
        return manifest.operations[OperationType(operation)]

    def validate(self, spec: OperationSpec, params: Mapping[str, Any]) -> OperationParams:
        """The parameters as the operation's model; raises `InvalidJob` with one entry per field."""
        try:
            return spec.params_model.model_validate(dict(params))
        except ValidationError as error:
            problems = field_problems(error, "params")
            names = ", ".join(sorted({problem.field for problem in problems}))
            raise InvalidJob(f"These parameters are not valid: {names}.", fields=problems) from None


def field_problems(error: ValidationError, prefix: str = "") -> list[FieldProblem]:
    """Pydantic's findings in our words, without the values that were sent."""
    found = []
    for item in error.errors(include_url=False, include_input=False):
        context = item.get("ctx", {})
        location = [str(part) for part in item["loc"] if not str(part).startswith("function-")]
        if "field" in context and str(context["field"]) not in location:
            location.append(str(context["field"]))
        if prefix:
            location.insert(0, prefix)
        allowed = context.get("allowed") or context.get("expected") or _bounds(context)
        found.append(FieldProblem(".".join(location), _plain(item["msg"]), allowed))
    return found


def _bounds(context: Mapping[str, Any]) -> str | None:
    words = {
        "ge": "at least",
        "gt": "more than",
        "le": "at most",
        "lt": "less than",
        "min_length": "at least this long:",
        "max_length": "at most this long:",
        "multiple_of": "a multiple of",
    }
    parts = [f"{words[key]} {context[key]}" for key in words if key in context]
    return ", ".join(parts) or None


def _plain(message: str) -> str:
    return message.removeprefix("Value error, ").removeprefix("Assertion failed, ")


def media_slots(model: type[OperationParams]) -> dict[str, MediaSlot]:
    """The parameters of an operation that name media."""
    found = {}
    for name, info in model.model_fields.items():
        slot = _slot_of(info)
        if slot is not None:
            found[name] = slot
    return found


def _slot_of(info: FieldInfo) -> MediaSlot | None:
    for item in _metadata(info.annotation, info.metadata):
        if isinstance(item, MediaSlot):
            return item
    return None


def _metadata(annotation: Any, metadata: Sequence[Any]) -> Iterable[Any]:
    yield from metadata
    for part in get_args(annotation):
        if isinstance(part, MediaSlot):
            yield part
        yield from _metadata(part, ())


def media_values(params: OperationParams) -> list[tuple[str, MediaSlot, str]]:
    """(parameter, its slot, reference) for every medium that the parameters name, in order."""
    found = []
    for name, slot in media_slots(type(params)).items():
        value = getattr(params, name)
        for reference in [value] if isinstance(value, str) else value or ():
            found.append((name, slot, str(reference)))
    return found


def require_known(value: str, field: str, allowed: Sequence[str]) -> None:
    """Raise `InvalidInput` unless `value` is one of `allowed`."""
    if value not in allowed:
        raise InvalidInput(
            f"{value!r} is not a known {field}.",
            fields=[FieldProblem(field, "is not known", allowed)],
        )
