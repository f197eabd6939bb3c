"""Accounts as they come in, held against what the provider's adapter declares."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from pydantic import SecretStr

from pixsim7_backend.domain.provider import ProviderManifest
from pixsim7_backend.infrastructure.http_policy import origin_of
from pixsim7_backend.services.provider.registry import ProviderRegistry
from pixsim7_backend.shared.config import Settings
from pixsim7_backend.shared.errors import FieldProblem, InvalidInput


class InvalidAccount(InvalidInput):
    code = "invalid_account"
    title = "The account cannot be like this"


def manifest_of(registry: ProviderRegistry, provider_id: str) -> ProviderManifest:
    """The provider that a body names; unknown is a wrong field, not a wrong address."""
    if provider_id not in registry.ids():
        problem = FieldProblem("provider_id", "is not a known provider", registry.ids())
        raise InvalidAccount("There is no such provider.", fields=[problem])
    return registry.adapter(provider_id).manifest


def checked_credentials(
    manifest: ProviderManifest, given: Mapping[str, SecretStr]
) -> tuple[dict[str, str], str]:
    """The plain credentials, and the main secret among them: the first secret field."""
    values = {name: value.get_secret_value().strip() for name, value in given.items()}
    values = {name: value for name, value in values.items() if value}
    known = [field.name for field in manifest.credential_fields]
    found = [
        FieldProblem(f"credentials.{name}", "is not known here", known)
        for name in given
        if name not in known
    ]
    found += [
        FieldProblem(f"credentials.{field.name}", "is required")
        for field in manifest.credential_fields
        if field.is_required and field.name not in values
    ]
    found += [
        FieldProblem(f"credentials.{name}", "has characters that no header can carry")
        for name, value in values.items()
        if not value.isprintable()
    ]
    if found:
        names = ", ".join(problem.field for problem in found)
        raise InvalidAccount(f"These fields are not valid: {names}.", fields=found)
    secrets = [field.name for field in manifest.credential_fields if field.is_secret]
    main = next((values[name] for name in secrets if name in values), "")
    return values, main


def checked_base_url(
    manifest: ProviderManifest, base_url: str | None, settings: Settings
) -> str | None:
    """An https address without user, query or fragment, or one that the operator allows."""
    if base_url is None:
        return None
    if not manifest.credential_fields and manifest.default_base_url is None:
        raise _bad_url("is not used by this provider")
    try:
        origin = origin_of(base_url)
        parts = urlsplit(base_url)
    except ValueError:
        raise _bad_url("is not a web address") from None
    if parts.query or parts.fragment or parts.username is not None:
        raise _bad_url("must have no user, query or fragment")
    if parts.scheme != "https" and origin not in settings.allow_private_origins:
        raise _bad_url("must start with https://, or be in PIXSIM7_ALLOW_PRIVATE_ORIGINS")
    return base_url.rstrip("/")


def _bad_url(message: str) -> InvalidAccount:
    problem = FieldProblem("base_url", message)
    return InvalidAccount("The address of the provider cannot be used.", fields=[problem])
