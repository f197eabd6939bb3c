"""The master key and the keys derived from it, one ring for each purpose.

Nothing here shows a secret in `repr`; a ring of one purpose cannot be used for another.
"""

import base64
import binascii
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ENVIRONMENT_NAME = "PIXSIM7_MASTER_KEY"
_KEY_BYTES = 32
_MIN_DISTINCT_BYTES = 16
_KNOWN = frozenset(bytes((start + step) % 256 for step in range(32)) for start in range(256))


class KeyPurpose(StrEnum):
    """What a derived key is for. The value goes into the derivation: never change one."""

    JWT = "jwt"
    MEDIA_URL = "media_url"
    CURSOR = "cursor"
    CREDENTIAL_KEK = "credential_kek"
    REFRESH = "refresh"
    CSRF = "csrf"
    CALLBACK = "callback"


class BadMasterKey(Exception):
    """The start must stop: the message says what is wrong with the key, never what it is."""


class KeyRing:
    """The keys of one purpose: `active` makes new things, the others still open old ones."""

    __slots__ = ("_keys", "active", "purpose")

    def __init__(self, purpose: KeyPurpose, keys: Mapping[str, bytes], active: str) -> None:
        if active not in keys or any(len(key) != _KEY_BYTES for key in keys.values()):
            raise ValueError("a ring needs 256-bit keys and an active one")
        self.purpose = purpose
        self.active = active
        self._keys = dict(keys)

    @property
    def active_key(self) -> bytes:
        return self._keys[self.active]

    @property
    def kids(self) -> Sequence[str]:
        """All key ids, the active one first."""
        return [self.active, *(kid for kid in self._keys if kid != self.active)]

    def find(self, kid: str) -> bytes | None:
        """The key with this id; None when it was retired or never existed."""
        return self._keys.get(kid)

    def __repr__(self) -> str:
        return f"KeyRing({self.purpose.value}, kids={list(self.kids)})"


class MasterKeys:
    """The master keys, newest first. The first derives all that is new."""

    __slots__ = ("_keys",)

    def __init__(self, keys: Sequence[bytes]) -> None:
        """Raises `BadMasterKey` for none, a short one, or one that somebody could guess."""
        if not keys:
            raise BadMasterKey("there is no master key")
        for key in keys:
            _check(key)
        self._keys = {_kid(key): key for key in keys}

    def ring(self, purpose: KeyPurpose) -> KeyRing:
        """The keys of one purpose, derived by HKDF-SHA256."""
        derived = {kid: _derive(key, purpose) for kid, key in self._keys.items()}
        return KeyRing(purpose, derived, active=next(iter(self._keys)))

    def __repr__(self) -> str:
        return f"MasterKeys(kids={list(self._keys)})"


def load_master_keys(data_dir: Path, environment: Mapping[str, str] | None = None) -> MasterKeys:
    """The keys from PIXSIM7_MASTER_KEY, else from `data_dir/keys/master.key`, made if missing.

    Both hold 32 bytes as base64 or hex, or several of them (newest first; separated by commas or
    lines) while a rotation is under way. Raises `BadMasterKey`.
    """
    given = (os.environ if environment is None else environment).get(ENVIRONMENT_NAME)
    if given is not None:
        return _parse(given, ENVIRONMENT_NAME)
    path = data_dir / "keys" / "master.key"
    if not path.exists():
        _create(path)
    info = path.stat()
    if not stat.S_ISREG(info.st_mode) or info.st_mode & 0o077:
        raise BadMasterKey(f"{path} can be read by others: chmod 600 it, and consider it known")
    return _parse(path.read_text(), str(path))


def _create(path: Path) -> None:
    """Write a new key, durably and whole; if another process was faster, its key stands."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    fd = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(fd, "w") as file:
            file.write(base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode() + "\n")
            file.flush()
            os.fsync(fd)
        try:
            os.link(staged, path)
        except FileExistsError:
            return
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    finally:
        staged.unlink()


def _parse(text: str, source: str) -> MasterKeys:
    try:
        return MasterKeys([_decode(part) for part in re.split(r"[,\s]+", text.strip()) if part])
    except BadMasterKey as error:
        raise BadMasterKey(f"{source}: {error}") from None


def _decode(text: str) -> bytes:
    if re.fullmatch(r"[0-9a-fA-F]{64}", text):
        return bytes.fromhex(text)
    try:
        padded = text + "=" * (-len(text) % 4)
        return base64.b64decode(
            padded, altchars=b"-_" if set(text) & set("-_") else None, validate=True
        )
    except (binascii.Error, ValueError):
        raise BadMasterKey("a master key is 32 random bytes as base64 or hex") from None


def _check(key: bytes) -> None:
    if len(key) != _KEY_BYTES:
        raise BadMasterKey(f"a master key has exactly {_KEY_BYTES} bytes, this one {len(key)}")
    if key in _KNOWN or len(set(key)) < _MIN_DISTINCT_BYTES or key.isascii():
        raise BadMasterKey("the master key is not random: make one with `openssl rand -base64 32`")


def _kid(key: bytes) -> str:
    return hashlib.sha256(b"pixsim7 kid\x00" + key).hexdigest()[:8]


def _derive(key: bytes, purpose: KeyPurpose) -> bytes:
    info = f"pixsim7/{purpose.value}/v1".encode()
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=info).derive(key)
