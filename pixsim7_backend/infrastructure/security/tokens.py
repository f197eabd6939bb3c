"""Access tokens (JWT), refresh tokens, API tokens and signed media links.

Every reader raises one of our errors and never says which check failed.
"""

import base64
import hashlib
import hmac
import re
import secrets
import time
import zlib
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import jwt

from pixsim7_backend.infrastructure.security.keys import KeyPurpose, KeyRing
from pixsim7_backend.shared.errors import NotFound, Unauthenticated

ACCESS_LIFE_S = 600
LEEWAY_S = 30
REFRESH_REPLAY_S = 20
_ISSUER = "pixsim7"
_AUDIENCE = "pixsim7-api"
_HEADER = {"alg": "HS256", "typ": "at+jwt"}
_CLAIMS = frozenset({"typ", "iss", "aud", "sub", "sid", "iat", "nbf", "exp"})
_MAX_TOKEN = 2048
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_API_TOKEN = re.compile(r"px7_([0-9A-Za-z]{8})[0-9A-Za-z]{43}([0-9A-Za-z]{6})")
MEDIA_STEP_S = 3600
_MEDIA_TOKEN = re.compile(r"([0-9a-f]{8})\.([0-9]{10})\.([0-9a-f]{32})\.([A-Za-z0-9_-]{43})")


def _refuse() -> Unauthenticated:
    return Unauthenticated("The token is not valid or has expired.")


# --- access tokens ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """Who asks. No role: that is read from the database each time."""

    user_id: UUID
    session_id: UUID
    issued_at: int
    expires_at: int


def issue_access_token(
    keys: KeyRing, *, user_id: UUID, session_id: UUID, now: float | None = None
) -> str:
    """A token for ten minutes."""
    _require(keys, KeyPurpose.JWT)
    issued = int(time.time() if now is None else now)
    claims = {
        "typ": "access",
        "iss": _ISSUER,
        "aud": _AUDIENCE,
        "sub": str(user_id),
        "sid": str(session_id),
        "iat": issued,
        "nbf": issued,
        "exp": issued + ACCESS_LIFE_S,
    }
    headers = _HEADER | {"kid": keys.active}
    return jwt.encode(claims, keys.active_key, algorithm="HS256", headers=headers)


def read_access_token(keys: KeyRing, token: str, *, now: float | None = None) -> AccessClaims:
    """The claims of a token that we made and that is valid now; raises `Unauthenticated`.

    The session may have been revoked since: that is the caller's to look up.
    """
    _require(keys, KeyPurpose.JWT)
    try:
        claims = _verified_claims(keys, token)
        current = time.time() if now is None else now
        return _checked_claims(claims, current)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, RecursionError):
        raise _refuse() from None


def _verified_claims(keys: KeyRing, token: str) -> dict[str, Any]:
    if len(token) > _MAX_TOKEN or not token.isascii():
        raise ValueError
    header = jwt.get_unverified_header(token)
    kid = header.get("kid")
    # Exactly our header: no crit, no b64, and no key that the token brings along (jwk, jku, x5u).
    if not isinstance(kid, str) or header != _HEADER | {"kid": kid}:
        raise ValueError
    key = keys.find(kid)
    if key is None:
        raise ValueError
    # Times are checked below, against the caller's clock.
    options: Any = {f"verify_{name}": False for name in ("exp", "nbf", "iat")}
    return jwt.decode(
        token,
        key,
        algorithms=["HS256"],
        audience=_AUDIENCE,
        issuer=_ISSUER,
        options=options | {"require": sorted(_CLAIMS)},
    )


def _checked_claims(claims: dict[str, Any], now: float) -> AccessClaims:
    times = [claims[name] for name in ("iat", "nbf", "exp")]
    if claims["typ"] != "access" or claims["aud"] != _AUDIENCE or claims["iss"] != _ISSUER:
        raise ValueError
    if any(type(moment) is not int for moment in times):
        raise ValueError
    if not isinstance(claims["sub"], str) or not isinstance(claims["sid"], str):
        raise ValueError
    issued, not_before, expires = times
    if not 0 < expires - issued <= ACCESS_LIFE_S:
        raise ValueError
    if max(issued, not_before) > now + LEEWAY_S or expires + LEEWAY_S <= now:
        raise ValueError
    return AccessClaims(UUID(claims["sub"]), UUID(claims["sid"]), issued, expires)


# --- refresh tokens ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OpaqueToken:
    """A secret to hand out once, and the digest to store instead."""

    plain: str = field(repr=False)
    sha256: bytes = field(repr=False)


def token_digest(plain: str) -> bytes:
    """How any opaque token is stored and looked up."""
    return hashlib.sha256(plain.encode(errors="replace")).digest()


def new_refresh_token() -> OpaqueToken:
    """The first one of a session: 256 random bits."""
    return _opaque(secrets.token_bytes(32))


def refresh_successor(
    keys: KeyRing, plain: str, *, current_sha256: bytes | None = None
) -> OpaqueToken:
    """The token that follows `plain`; always the same one, so a lost answer can be repeated.

    On the replay of the immediate predecessor (within `REFRESH_REPLAY_S` of its use) pass the
    stored digest of the current token: the successor is then found across a key rotation too.
    Raises `Unauthenticated` when `plain` is not the predecessor of that token.
    """
    _require(keys, KeyPurpose.REFRESH)
    for kid in keys.kids:
        key = keys.find(kid) or b""
        made = _opaque(
            hmac.digest(key, b"successor\x00" + plain.encode(errors="replace"), "sha256")
        )
        if current_sha256 is None or hmac.compare_digest(made.sha256, current_sha256):
            return made
    raise _refuse()


def _opaque(value: bytes) -> OpaqueToken:
    plain = _to_base64(value)
    return OpaqueToken(plain, token_digest(plain))


# --- API tokens -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A new API token. `plain` is shown once."""

    plain: str = field(repr=False)
    token_id: str
    sha256: bytes = field(repr=False)


def new_api_token() -> ApiToken:
    """`px7_`, an id of 8, a secret of 43 (256 bits) and a checksum of 6 characters."""
    token_id = "".join(secrets.choice(_BASE62) for _ in range(8))
    body = f"px7_{token_id}" + "".join(secrets.choice(_BASE62) for _ in range(43))
    plain = body + _checksum(body)
    return ApiToken(plain, token_id, token_digest(plain))


def parse_api_token(text: str) -> ApiToken:
    """Check form and checksum without a look-up; raises `Unauthenticated`. Not yet a proof."""
    match = _API_TOKEN.fullmatch(text)
    if match is None or not hmac.compare_digest(_checksum(text[:-6]), match[2]):
        raise _refuse()
    return ApiToken(text, match[1], token_digest(text))


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode())
    digits = ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return digits


# --- signed media links -----------------------------------------------------------------------


def sign_media(
    keys: KeyRing,
    *,
    asset_id: UUID,
    kind: str,
    viewer_id: UUID,
    is_download: bool = False,
    now: float | None = None,
) -> str:
    """A token for one file of one asset, for one viewer (session or API token), 1 to 2 hours.

    It stays the same for an hour, so browsers may cache by it. Each asset has its own turn of the
    hour: a page of links does not change all at once.
    """
    _require(keys, KeyPurpose.MEDIA_URL)
    turn = asset_id.int % MEDIA_STEP_S
    hours = (int(time.time() if now is None else now) - turn) // MEDIA_STEP_S + 2
    expires = hours * MEDIA_STEP_S + turn
    signed = _media_mac(keys.active_key, asset_id, kind, viewer_id, expires, is_download)
    return f"{keys.active}.{expires:010d}.{viewer_id.hex}.{_to_base64(signed)}"


def verify_media(
    keys: KeyRing,
    token: str,
    *,
    asset_id: UUID,
    kind: str,
    is_download: bool = False,
    now: float | None = None,
) -> UUID:
    """The viewer that the link was made for; raises `NotFound` for any other link.

    The viewer's right to the asset may have ended since: that is the caller's to look up.
    """
    _require(keys, KeyPurpose.MEDIA_URL)
    missing = NotFound("There is no such file, or the link has expired.")
    match = _MEDIA_TOKEN.fullmatch(token)
    key = keys.find(match[1]) if match else None
    if match is None or key is None:
        raise missing
    expires, viewer_id = int(match[2]), UUID(match[3])
    signed = _media_mac(key, asset_id, kind, viewer_id, expires, is_download)
    left = expires - (time.time() if now is None else now)
    is_ours = hmac.compare_digest(_to_base64(signed), match[4])
    if not is_ours or not 0 < left <= 2 * MEDIA_STEP_S + LEEWAY_S:
        raise missing
    return viewer_id


def _media_mac(
    key: bytes, asset_id: UUID, kind: str, viewer_id: UUID, expires: int, is_download: bool
) -> bytes:
    fixed = asset_id.bytes + viewer_id.bytes + expires.to_bytes(8) + bytes([is_download])
    return hmac.digest(key, fixed + kind.encode(), "sha256")


def _to_base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _require(keys: KeyRing, purpose: KeyPurpose) -> None:
    if keys.purpose is not purpose:
        raise ValueError(f"this needs the keys for {purpose.value}, not {keys.purpose.value}")
