"""Old hashes verify and are replaced; nothing tells an unknown user from a wrong password."""

import asyncio
import hashlib
import threading
import time
from typing import Any

import bcrypt
import pytest

from pixsim7_backend.infrastructure.security.passwords import PasswordHashing

CHEAP = {"memory_kib": 8, "time_cost": 1}
LONG = "correct horse battery staple " * 4  # 116 bytes


@pytest.fixture
def hashing() -> PasswordHashing:
    return PasswordHashing(**CHEAP)


def _bcrypt(plain: bytes, prefix: bytes = b"2b") -> str:
    made = bcrypt.hashpw(plain, bcrypt.gensalt(4)).decode()
    return made.replace("$2b$", f"${prefix.decode()}$")


async def test_new_hashes_are_argon2id_with_the_agreed_cost() -> None:
    made = await PasswordHashing().hash_password("sunset over mountains")
    assert made.startswith("$argon2id$v=19$m=65536,t=3,p=1$")
    assert await PasswordHashing().verify_password("sunset over mountains", made) == (True, None)


async def test_right_and_wrong(hashing: PasswordHashing) -> None:
    made = await hashing.hash_password("right")
    assert made != await hashing.hash_password("right")
    assert await hashing.verify_password("right", made) == (True, None)
    assert await hashing.verify_password("wrong", made) == (False, None)
    assert await hashing.verify_password("", made) == (False, None)


@pytest.mark.parametrize("prefix", [b"2a", b"2b", b"2y"])
async def test_bcrypt_is_verified_and_replaced(hashing: PasswordHashing, prefix: bytes) -> None:
    old = _bcrypt(b"password", prefix)
    is_right, new = await hashing.verify_password("password", old)
    assert is_right
    assert new is not None
    assert new.startswith("$argon2id$")
    assert await hashing.verify_password("password", new) == (True, None)
    assert await hashing.verify_password("Password", old) == (False, None)


async def test_bcrypt_of_a_long_password_is_of_its_sha256_hex(hashing: PasswordHashing) -> None:
    old = _bcrypt(hashlib.sha256(LONG.encode()).hexdigest().encode())
    is_right, new = await hashing.verify_password(LONG, old)
    assert is_right
    assert new is not None
    assert await hashing.verify_password(LONG, new) == (True, None)
    assert await hashing.verify_password(LONG[:-1] + "x", old) == (False, None)
    # The pre-hash is no password of its own once the stored hash is new.
    assert not (await hashing.verify_password(hashlib.sha256(LONG.encode()).hexdigest(), new))[0]


@pytest.mark.parametrize("length", [71, 72, 73])
async def test_the_boundary_of_72_bytes(hashing: PasswordHashing, length: int) -> None:
    plain = "ä" * (length // 2) + "x" * (length % 2)
    stored = plain.encode()
    if length > 72:
        stored = hashlib.sha256(stored).hexdigest().encode()
    assert (await hashing.verify_password(plain, _bcrypt(stored)))[0]


async def test_a_weaker_argon2_hash_is_replaced(hashing: PasswordHashing) -> None:
    stronger = PasswordHashing(memory_kib=16, time_cost=1)
    is_right, new = await stronger.verify_password("p", await hashing.hash_password("p"))
    assert is_right
    assert new is not None
    assert "m=16," in new


@pytest.mark.parametrize(
    "stored", [None, "", "x", "$2b$12$short", "$argon2id$v=19$m=8,t=1,p=1$bad", "plain password"]
)
async def test_no_usable_hash_is_never_right(hashing: PasswordHashing, stored: str | None) -> None:
    assert await hashing.verify_password("plain password", stored) == (False, None)
    assert await hashing.verify_password("nobody has this password", stored) == (False, None)


@pytest.mark.parametrize("plain", ["\x00", "a\x00b", "\ud800", "é" * 2000, "😀", "x" * 5000])
async def test_strange_passwords_do_no_harm(hashing: PasswordHashing, plain: str) -> None:
    made = await hashing.hash_password("p")
    assert await hashing.verify_password(plain, made) == (False, None)
    assert await hashing.verify_password(plain, _bcrypt(b"p")) == (False, None)


async def test_too_long_to_hash(hashing: PasswordHashing) -> None:
    with pytest.raises(ValueError):
        await hashing.hash_password("x" * 4097)


async def test_an_unknown_user_costs_as_much_as_a_known_one() -> None:
    hashing = PasswordHashing(memory_kib=8192, time_cost=2)
    made = await hashing.hash_password("p")
    await hashing.verify_password("p", None)

    async def fastest(stored: str | None) -> float:
        times = []
        for _ in range(7):
            began = time.perf_counter()
            await hashing.verify_password("wrong", stored)
            times.append(time.perf_counter() - began)
        return min(times)

    known, unknown = await fastest(made), await fastest(None)
    assert 0.5 < known / unknown < 2


async def test_at_most_two_at_once_and_never_on_the_loop(
    hashing: PasswordHashing, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = peak = 0
    lock = threading.Lock()

    def slow(*_: Any) -> tuple[bool, None]:
        nonlocal running, peak
        assert threading.current_thread() is not threading.main_thread()
        with lock:
            running += 1
            peak = max(peak, running)
        time.sleep(0.01)
        with lock:
            running -= 1
        return False, None

    monkeypatch.setattr(hashing, "_verify", slow)
    waiting = [asyncio.create_task(hashing.verify_password("p", None)) for _ in range(12)]
    await asyncio.sleep(0)
    waiting[0].cancel()  # gives up, but its thread still counts
    await asyncio.gather(*waiting, return_exceptions=True)
    assert peak == 2
