"""Password hashes: Argon2id for all new ones, bcrypt still verified and then replaced."""

import asyncio
import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import bcrypt
from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.bcrypt import BcryptHasher

T = TypeVar("T")

_MAX_BYTES = 4096
_BCRYPT_MAX_BYTES = 72

# Two at once in the whole process: a flood of logins queues up instead of eating memory.
_executor = ThreadPoolExecutor(max_workers=2, thread_name_prefix="password")


class _LegacyBcrypt(BcryptHasher):
    """bcrypt as earlier versions used it: passwords above 72 bytes went in as SHA-256 hex."""

    def verify(self, password: str | bytes, hash: str | bytes) -> bool:
        plain = password.encode() if isinstance(password, str) else password
        stored = hash.encode() if isinstance(hash, str) else hash
        if len(plain) > _BCRYPT_MAX_BYTES:
            plain = hashlib.sha256(plain).hexdigest().encode()
        try:
            return bcrypt.checkpw(plain, stored)
        except ValueError:
            return False


class PasswordHashing:
    """Hashes and verifies, at most two at a time, never on the event loop."""

    def __init__(
        self, *, memory_kib: int = 64 * 1024, time_cost: int = 3, parallelism: int = 1
    ) -> None:
        """The defaults are the bar for production; tests pass less."""
        argon2 = Argon2Hasher(
            time_cost=time_cost, memory_cost=memory_kib, parallelism=parallelism, salt_len=16
        )
        self._hashes = PasswordHash((argon2, _LegacyBcrypt()))
        self._dummy_lock = threading.Lock()
        self._dummy: str | None = None

    async def hash_password(self, plain: str) -> str:
        """A new Argon2id hash. Raises ValueError above 4096 bytes."""
        if len(_encoded(plain)) > _MAX_BYTES:
            raise ValueError("the password is too long")
        return await _in_thread(lambda: self._hashes.hash(_encoded(plain)))

    async def verify_password(self, plain: str, hashed: str | None) -> tuple[bool, str | None]:
        """Whether the password is right, and the hash to store instead if the old one is weak.

        `hashed=None` (no such user, or one without a password) takes as long as a real check and
        is never right. So does a stored value that is no hash.
        """
        return await _in_thread(lambda: self._verify(_encoded(plain), hashed))

    def _verify(self, plain: bytes, hashed: str | None) -> tuple[bool, str | None]:
        if hashed is None or len(plain) > _MAX_BYTES:
            return self._verify_dummy(plain)
        try:
            return self._hashes.verify_and_update(plain, hashed)
        except UnknownHashError:
            return self._verify_dummy(plain)

    def _verify_dummy(self, plain: bytes) -> tuple[bool, None]:
        with self._dummy_lock:
            if self._dummy is None:
                self._dummy = self._hashes.hash(b"nobody has this password")
        self._hashes.verify(plain[:_MAX_BYTES], self._dummy)
        return False, None


def _encoded(plain: str) -> bytes:
    # Lone surrogates come out of JSON; they must not turn a login into a server error.
    return plain.encode(errors="surrogatepass")


async def _in_thread(work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(_executor, work)
