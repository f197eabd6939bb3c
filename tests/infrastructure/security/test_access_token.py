"""Access tokens against the attacks that worked elsewhere."""

import base64
import hmac
import json
import secrets
import time
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from pixsim7_backend.infrastructure.security.keys import KeyPurpose, MasterKeys
from pixsim7_backend.infrastructure.security.tokens import (
    issue_access_token,
    read_access_token,
)
from pixsim7_backend.shared.errors import Unauthenticated

MASTER = MasterKeys([secrets.token_bytes(32)])
KEYS = MASTER.ring(KeyPurpose.JWT)
USER, SESSION = uuid4(), uuid4()
NOW = 1_800_000_000


def _claims(**changes: Any) -> dict[str, Any]:
    claims = {
        "typ": "access",
        "iss": "pixsim7",
        "aud": "pixsim7-api",
        "sub": str(USER),
        "sid": str(SESSION),
        "iat": NOW,
        "nbf": NOW,
        "exp": NOW + 600,
    }
    claims.update(changes)
    return {name: value for name, value in claims.items() if value is not ...}


def _part(value: Any) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def _forge(
    header: dict[str, Any] | bytes | None = None,
    claims: dict[str, Any] | bytes | None = None,
    key: bytes = KEYS.active_key,
) -> str:
    """A token with a right signature over whatever it says."""
    standard = {"alg": "HS256", "typ": "at+jwt", "kid": KEYS.active}
    body = f"{_part(standard if header is None else header)}.{_part(claims or _claims())}"
    return f"{body}.{_part(hmac.digest(key, body.encode(), 'sha256'))}"


def _header(**changes: Any) -> dict[str, Any]:
    header = {"alg": "HS256", "typ": "at+jwt", "kid": KEYS.active, **changes}
    return {name: value for name, value in header.items() if value is not ...}


_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
_PUBLIC_PEM = _RSA.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
_GOOD = issue_access_token(KEYS, user_id=USER, session_id=SESSION, now=NOW)
_HEAD, _BODY, _SIGNATURE = _GOOD.split(".")

ATTACKS = {
    "alg none": f"{_part(_header(alg='none'))}.{_BODY}.",
    "alg None": f"{_part(_header(alg='None'))}.{_BODY}.",
    "alg nOnE with signature": f"{_part(_header(alg='nOnE'))}.{_BODY}.{_SIGNATURE}",
    "alg missing": _forge(_header(alg=...)),
    "alg empty": _forge(_header(alg="")),
    "alg list": _forge(_header(alg=["HS256"])),
    "alg hs256": _forge(_header(alg="hs256")),
    "alg HS384": jwt.encode(
        _claims(), KEYS.active_key * 2, algorithm="HS384", headers=_header(alg="HS384")
    ),
    "alg HS512": jwt.encode(
        _claims(), KEYS.active_key * 2, algorithm="HS512", headers=_header(alg="HS512")
    ),
    "alg RS256": jwt.encode(_claims(), _RSA, algorithm="RS256", headers=_header(alg="RS256")),
    "alg RS256 signed with our key": _forge(_header(alg="RS256")),
    "signed with a public key": _forge(key=_PUBLIC_PEM),
    "signed with an empty key": _forge(key=b""),
    "signed with zeros": _forge(key=bytes(32)),
    "signed with the kid": _forge(key=KEYS.active.encode()),
    "signed with the master's other purpose": _forge(
        key=MASTER.ring(KeyPurpose.MEDIA_URL).active_key
    ),
    "no signature": f"{_HEAD}.{_BODY}.",
    "two parts": f"{_HEAD}.{_BODY}",
    "four parts": f"{_GOOD}.{_SIGNATURE}",
    "cut signature": f"{_HEAD}.{_BODY}.{_SIGNATURE[:-2]}",
    "empty": "",
    "dots": "..",
    "words": "Bearer " + _GOOD,
    "blanks": f" {_GOOD}",
    "not ASCII": _GOOD + "ü",
    "huge": _GOOD + "A" * 100_000,
    "other body": f"{_HEAD}.{_part(_claims(sub=str(uuid4())))}.{_SIGNATURE}",
    "other head": f"{_part(_header(x=1))}.{_BODY}.{_SIGNATURE}",
    "kid missing": _forge(_header(kid=...)),
    "kid unknown": _forge(_header(kid="00000000")),
    "kid path": _forge(_header(kid="../../../../dev/null"), key=b""),
    "kid SQL": _forge(_header(kid="x' UNION SELECT 'k")),
    "kid number": _forge(_header(kid=1)),
    "kid list": _forge(_header(kid=[KEYS.active])),
    "kid null": _forge(_header(kid=None)),
    "kid object": _forge(_header(kid={})),
    "jku": _forge(_header(jku="https://evil.test/keys")),
    "jwk": _forge(_header(jwk={"kty": "oct", "k": "AAAA"})),
    "x5u": _forge(_header(x5u="https://evil.test/cert")),
    "x5c": _forge(_header(x5c=["AAAA"])),
    "crit": _forge(_header(crit=["exp"])),
    "crit unknown": _forge(_header(crit=["http://evil.test/x"])),
    "b64 false": _forge(_header(b64=False, crit=["b64"])),
    "zip": _forge(_header(zip="DEF")),
    "cty": _forge(_header(cty="JWT")),
    "header typ JWT": _forge(_header(typ="JWT")),
    "header typ missing": _forge(_header(typ=...)),
    "header no object": _forge(b"[]"),
    "header no JSON": _forge(b"{"),
    "header deep": _forge(b"[" * 1000),
    "claims no object": _forge(claims=b'"x"'),
    "claims deep": _forge(claims=b"[" * 1000),
    **{f"without {name}": _forge(claims=_claims(**{name: ...})) for name in _claims()},
    **{f"{name} null": _forge(claims=_claims(**{name: None})) for name in _claims()},
    **{f"{name} list": _forge(claims=_claims(**{name: []})) for name in _claims()},
    "typ refresh": _forge(claims=_claims(typ="refresh")),
    "iss other": _forge(claims=_claims(iss="evil")),
    "aud other": _forge(claims=_claims(aud="other-api")),
    "aud list with ours": _forge(claims=_claims(aud=["pixsim7-api", "x"])),
    "iss list with ours": _forge(claims=_claims(iss=["pixsim7"])),
    "sub number": _forge(claims=_claims(sub=1)),
    "sub no id": _forge(claims=_claims(sub="admin")),
    "sid no id": _forge(claims=_claims(sid="x")),
    "expired": _forge(claims=_claims(iat=NOW - 631, nbf=NOW - 631, exp=NOW - 31)),
    "from the future": _forge(claims=_claims(iat=NOW + 31, nbf=NOW + 31, exp=NOW + 600)),
    "not yet": _forge(claims=_claims(nbf=NOW + 31)),
    "exp 2^31": _forge(claims=_claims(exp=2**31)),
    "exp 2^63": _forge(claims=_claims(exp=2**63)),
    "exp infinite": _forge(claims=_claims(exp=float("inf"))),
    "exp not a number": _forge(claims=_claims(exp=float("nan"))),
    "exp text": _forge(claims=_claims(exp=str(NOW + 600))),
    "exp fraction": _forge(claims=_claims(exp=NOW + 600.5)),
    "exp true": _forge(claims=_claims(exp=True)),
    "exp before iat": _forge(claims=_claims(exp=NOW - 1)),
    "lives 11 minutes": _forge(claims=_claims(exp=NOW + 660)),
}


class TestAccessToken:
    def test_round_trip(self) -> None:
        claims = read_access_token(KEYS, _GOOD, now=NOW)
        assert (claims.user_id, claims.session_id) == (USER, SESSION)
        assert claims.expires_at - claims.issued_at == 600
        assert read_access_token(KEYS, _forge(), now=NOW) == claims

    def test_by_the_real_clock(self) -> None:
        token = issue_access_token(KEYS, user_id=USER, session_id=SESSION)
        assert read_access_token(KEYS, token).issued_at <= time.time()

    def test_holds_no_role_and_no_name(self) -> None:
        padded = _BODY + "=" * (-len(_BODY) % 4)
        assert set(json.loads(base64.urlsafe_b64decode(padded))) == set(_claims())

    @pytest.mark.parametrize("name", ATTACKS)
    def test_attack(self, name: str) -> None:
        with pytest.raises(Unauthenticated) as caught:
            read_access_token(KEYS, ATTACKS[name], now=NOW)
        assert str(caught.value) == "The token is not valid or has expired."
        assert caught.value.__cause__ is None

    def test_every_changed_character(self) -> None:
        for position, old in enumerate(_GOOD[:-1]):  # the last one has bits that carry nothing
            changed = _GOOD[:position] + ("A" if old != "A" else "B") + _GOOD[position + 1 :]
            with pytest.raises(Unauthenticated):
                read_access_token(KEYS, changed, now=NOW)

    @pytest.mark.parametrize(
        ("moment", "is_valid"),
        [(-31, False), (-30, True), (0, True), (600, True), (629, True), (630, False)],
    )
    def test_leeway(self, moment: int, is_valid: bool) -> None:
        if is_valid:
            read_access_token(KEYS, _GOOD, now=NOW + moment)
        else:
            with pytest.raises(Unauthenticated):
                read_access_token(KEYS, _GOOD, now=NOW + moment)

    def test_rotation(self) -> None:
        old, new = secrets.token_bytes(32), secrets.token_bytes(32)
        before = MasterKeys([old]).ring(KeyPurpose.JWT)
        token = issue_access_token(before, user_id=USER, session_id=SESSION, now=NOW)
        read_access_token(MasterKeys([new, old]).ring(KeyPurpose.JWT), token, now=NOW)
        with pytest.raises(Unauthenticated):
            read_access_token(MasterKeys([new]).ring(KeyPurpose.JWT), token, now=NOW)

    @pytest.mark.parametrize("purpose", [p for p in KeyPurpose if p is not KeyPurpose.JWT])
    def test_keys_of_another_purpose_are_refused(self, purpose: KeyPurpose) -> None:
        ring = MASTER.ring(purpose)
        with pytest.raises(ValueError):
            issue_access_token(ring, user_id=USER, session_id=SESSION)
        with pytest.raises(ValueError):
            read_access_token(ring, _GOOD)
