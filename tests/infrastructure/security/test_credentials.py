"""Credentials at rest: unreadable without the key, and of no use in another row."""

import logging
import secrets

import pytest

from pixsim7_backend.infrastructure.security.credentials import (
    CredentialCipher,
    CredentialsUnreadable,
    credential_aad,
    last4,
)
from pixsim7_backend.infrastructure.security.keys import KeyPurpose, MasterKeys

OLD, NEW = secrets.token_bytes(32), secrets.token_bytes(32)
SECRET = {"api_key": "sk-canary-0123456789", "note": "größe ✓"}
AAD = credential_aad("provider_accounts", "a1", "credentials", "u1", 1)


def _cipher(*keys: bytes) -> CredentialCipher:
    return CredentialCipher(MasterKeys(keys or [OLD]).ring(KeyPurpose.CREDENTIAL_KEK))


def test_round_trip_and_no_plain_text() -> None:
    blob = _cipher().seal(SECRET, AAD)
    assert _cipher().open(blob, AAD) == SECRET
    assert b"canary" not in blob
    assert b"api_key" not in blob


def test_every_write_is_different() -> None:
    blobs = {_cipher().seal(SECRET, AAD) for _ in range(50)}
    assert len({blob[13:73] for blob in blobs}) == 50
    assert len({blob[73:] for blob in blobs}) == 50


@pytest.mark.parametrize(
    "other",
    [
        ("accounts", "a1", "credentials", "u1", 1),
        ("provider_accounts", "a2", "credentials", "u1", 1),
        ("provider_accounts", "a1", "webhook_secret", "u1", 1),
        ("provider_accounts", "a1", "credentials", "u2", 1),
        ("provider_accounts", "a1", "credentials", "u1", 2),
    ],
)
def test_moved_elsewhere_it_does_not_open(other: tuple[str, str, str, str, int]) -> None:
    blob = _cipher().seal(SECRET, AAD)
    with pytest.raises(CredentialsUnreadable):
        _cipher().open(blob, credential_aad(*other))


def test_bindings_are_unambiguous() -> None:
    with pytest.raises(ValueError):
        credential_aad("t", "a|b", "c", "o", 1)


def test_every_flipped_bit_and_every_cut_is_noticed() -> None:
    cipher = _cipher()
    blob = cipher.seal(SECRET, AAD)
    for position in range(len(blob)):
        changed = bytearray(blob)
        changed[position] ^= 1 << position % 8
        with pytest.raises(CredentialsUnreadable):
            cipher.open(bytes(changed), AAD)
        with pytest.raises(CredentialsUnreadable):
            cipher.open(blob[:position], AAD)
    with pytest.raises(CredentialsUnreadable):
        cipher.open(blob + b"\x00", AAD)


def test_parts_of_two_blobs_do_not_mix() -> None:
    cipher = _cipher()
    one, two = cipher.seal(SECRET, AAD), cipher.seal({"api_key": "x"}, AAD)
    for cut in (25, 73, 85):
        with pytest.raises(CredentialsUnreadable):
            cipher.open(one[:cut] + two[cut:], AAD)


def test_rotation() -> None:
    blob = _cipher(OLD).seal(SECRET, AAD)
    both = _cipher(NEW, OLD)
    assert both.open(blob, AAD) == SECRET
    assert not both.is_current(blob)
    rewrapped = both.rewrap(blob, AAD)
    assert both.is_current(rewrapped)
    assert _cipher(NEW).open(rewrapped, AAD) == SECRET
    with pytest.raises(CredentialsUnreadable, match="not in the ring"):
        _cipher(NEW).open(blob, AAD)


def test_keys_of_another_purpose_are_refused() -> None:
    with pytest.raises(ValueError):
        CredentialCipher(MasterKeys([OLD]).ring(KeyPurpose.JWT))


def test_fingerprint() -> None:
    cipher = _cipher()
    assert cipher.fingerprint("sk-1") == cipher.fingerprint("sk-1")
    assert cipher.fingerprint("sk-1") != cipher.fingerprint("sk-2")
    assert len(cipher.fingerprint("sk-1")) == 12
    assert cipher.fingerprint("sk-1") != _cipher(NEW).fingerprint("sk-1")


@pytest.mark.parametrize(
    ("secret", "shown"), [("sk-0123456789abcd", "abcd"), ("", ""), ("1234", ""), ("short-pw", "")]
)
def test_last4(secret: str, shown: str) -> None:
    assert last4(secret) == shown


def test_nothing_shows_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    cipher = _cipher()
    blob = cipher.seal(SECRET, AAD)
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("t").info("%s %r", cipher, cipher)
        try:
            cipher.open(blob, "elsewhere")
        except CredentialsUnreadable:
            logging.getLogger("t").exception("failed")
    assert "canary" not in caplog.text
    assert OLD.hex() not in caplog.text
