"""Provider credentials at rest: envelope encryption, bound to the row and column they live in.

Format: `px7c`, a version byte, the key id (8), then the wrapped data key (nonce 12 + 48) and the
sealed JSON (nonce 12 + ciphertext with tag). Everything before a part is authenticated with it.
"""

import hashlib
import hmac
import json
import os
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pixsim7_backend.infrastructure.security.keys import KeyPurpose, KeyRing

_MAGIC = b"px7c\x01"
_NONCE = 12
_KID_END = len(_MAGIC) + 8
_DEK_END = _KID_END + _NONCE + 32 + 16


class CredentialsUnreadable(Exception):
    """Tampered with, moved from another row, or sealed under a key that is gone."""


def credential_aad(table: str, row_id: object, column: str, owner: object, version: int) -> str:
    """What a sealed credential is bound to: it opens nowhere else."""
    parts = [table, str(row_id), column, str(owner), str(version)]
    if any("|" in part for part in parts):
        raise ValueError("no part of the binding may contain '|'")
    return "|".join(parts)


class CredentialCipher:
    """Seals and opens credentials. Every write has a data key of its own."""

    def __init__(self, keys: KeyRing) -> None:
        if keys.purpose is not KeyPurpose.CREDENTIAL_KEK:
            raise ValueError("credentials need the key-encryption keys")
        self._keys = keys

    def seal(self, plaintext: Mapping[str, str], aad: str) -> bytes:
        """Encrypt under a fresh data key, wrapped by the active key."""
        header = _MAGIC + self._keys.active.encode()
        data_key = AESGCM.generate_key(256)
        wrapped = _encrypt(self._keys.active_key, data_key, header, b"dek", aad)
        text = json.dumps(dict(plaintext), ensure_ascii=False, separators=(",", ":")).encode()
        return header + wrapped + _encrypt(data_key, text, header + wrapped, b"data", aad)

    def open(self, blob: bytes, aad: str) -> dict[str, str]:
        """Decrypt. Raises `CredentialsUnreadable`, which says nothing about the content."""
        data_key = self._unwrap(blob, aad)
        text = _decrypt(data_key, blob[_DEK_END:], blob[:_DEK_END], b"data", aad)
        opened: dict[str, str] = json.loads(text)
        return opened

    def rewrap(self, blob: bytes, aad: str) -> bytes:
        """The same credentials sealed anew under the active key (for a key rotation)."""
        return self.seal(self.open(blob, aad), aad)

    def is_current(self, blob: bytes) -> bool:
        """Whether the active key wraps this one already."""
        return blob[len(_MAGIC) : _KID_END] == self._keys.active.encode()

    def fingerprint(self, secret: str) -> str:
        """12 hex digits to tell secrets apart; keyed, so guesses cannot be tried without us."""
        return hmac.new(
            self._keys.active_key, b"fingerprint\x00" + secret.encode(), hashlib.sha256
        ).hexdigest()[:12]

    def __repr__(self) -> str:
        return f"CredentialCipher({self._keys!r})"

    def _unwrap(self, blob: bytes, aad: str) -> bytes:
        header = blob[:_KID_END]
        if len(blob) < _DEK_END + _NONCE + 16 or not header.startswith(_MAGIC):
            raise CredentialsUnreadable("not a sealed credential of this version")
        key = self._keys.find(header[len(_MAGIC) :].decode("ascii", errors="replace"))
        if key is None:
            raise CredentialsUnreadable("sealed under a key that is not in the ring")
        return _decrypt(key, blob[_KID_END:_DEK_END], header, b"dek", aad)


def last4(secret: str) -> str:
    """The last four characters, for people to recognise; nothing of a short secret."""
    return secret[-4:] if len(secret) >= 12 else ""


def _encrypt(key: bytes, text: bytes, before: bytes, label: bytes, aad: str) -> bytes:
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, text, _bound(before, label, aad))


def _decrypt(key: bytes, part: bytes, before: bytes, label: bytes, aad: str) -> bytes:
    try:
        return AESGCM(key).decrypt(part[:_NONCE], part[_NONCE:], _bound(before, label, aad))
    except InvalidTag:
        raise CredentialsUnreadable("tampered with, or moved from another row") from None


def _bound(before: bytes, label: bytes, aad: str) -> bytes:
    return label + b"\x00" + hashlib.sha256(before).digest() + aad.encode()
