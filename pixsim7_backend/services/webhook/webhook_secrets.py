"""Secrets of webhooks and what they sign (https://www.standardwebhooks.com)."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime

from pixsim7_backend.domain.webhook import Webhook
from pixsim7_backend.infrastructure.security.credentials import CredentialCipher, credential_aad

_PREFIX = "whsec_"
_SECRET_BYTES = 32


class WebhookSecrets:
    """Sealed like provider credentials: bound to the row, its owner and the version."""

    def __init__(self, cipher: CredentialCipher) -> None:
        self._cipher = cipher

    def renew(self, webhook: Webhook, *, keep_previous: bool) -> str:
        """Give the webhook a new secret and return it; the caller shows it once and stores the row.

        Raises `CredentialsUnreadable` when the secret before is to be kept and cannot be opened.
        """
        secret = _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
        sealed = {"current": secret}
        if keep_previous:
            sealed["previous"] = self._open(webhook)["current"]
        webhook.secret_version = (webhook.secret_version or 0) + 1
        webhook.secret_sealed = self._cipher.seal(sealed, _aad(webhook))
        return secret

    def in_force(self, webhook: Webhook, now: datetime) -> list[str]:
        """The secrets that sign now, the newest first. Raises `CredentialsUnreadable`."""
        opened = self._open(webhook)
        until = webhook.previous_secret_expires_at
        has_previous = "previous" in opened and until is not None and now < until
        return [opened["current"], *([opened["previous"]] if has_previous else [])]

    def _open(self, webhook: Webhook) -> dict[str, str]:
        return self._cipher.open(webhook.secret_sealed, _aad(webhook))


def _aad(webhook: Webhook) -> str:
    return credential_aad(
        "webhooks", webhook.id, "secret_sealed", webhook.user_id, webhook.secret_version
    )


def signed_headers(
    secrets_in_force: Sequence[str], message_id: str, sent_at: datetime, body: bytes
) -> dict[str, str]:
    """The three headers of the specification, with one signature for each secret."""
    timestamp = str(int(sent_at.timestamp()))
    content = f"{message_id}.{timestamp}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(_signature(secret, content) for secret in secrets_in_force),
    }


def _signature(secret: str, content: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    return "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
