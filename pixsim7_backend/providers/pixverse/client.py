"""How a call to PixVerse is addressed: base URL, key and trace id."""

from collections.abc import Callable
from uuid import uuid4

from pixsim7_backend.domain.provider import CallContext, ProviderError, SubmitContext
from pixsim7_backend.domain.vocabulary import ErrorKind

Context = CallContext | SubmitContext


def url_of(context: Context, path: str) -> str:
    """The absolute address of a path under the account's base URL."""
    return context.base_url.rstrip("/") + path


def headers_of(context: Context, trace_id: str | None = None) -> dict[str, str]:
    """Key and trace id. Every request needs a trace id of its own: PixVerse takes a used one for
    a repetition and a video that reuses one may hang for ever (PX-GUIDE, PX-ERR)."""
    return {"API-KEY": _key_of(context), "Ai-trace-id": trace_id or str(uuid4())}


def hider_of(context: Context) -> Callable[[str], str]:
    """Takes the account's secrets out of a text."""
    secrets = [value for value in context.credentials.values() if len(value) >= 8]

    def hide(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, "…")
        return text

    return hide


def _key_of(context: Context) -> str:
    key = context.credentials.get("api_key", "").strip()
    if not key or not (key.isascii() and key.isprintable()):
        raise ProviderError(
            ErrorKind.AUTH, "This account has no usable PixVerse API key.", code="no_key"
        )
    return key
