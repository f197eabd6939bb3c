"""Keys: made once and privately, refused when weak, separate for each purpose."""

import base64
import hashlib
import logging
import os
import secrets
import threading
from pathlib import Path

import pytest

from pixsim7_backend.infrastructure.security.keys import (
    BadMasterKey,
    KeyPurpose,
    KeyRing,
    MasterKeys,
    load_master_keys,
)

GOOD = hashlib.sha256(b"looks random, is the same in every test process").digest()


def _env(text: str) -> dict[str, str]:
    return {"PIXSIM7_MASTER_KEY": text}


def test_made_on_first_start_and_kept(tmp_path: Path) -> None:
    first = load_master_keys(tmp_path, {})
    path = tmp_path / "keys" / "master.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["master.key"]
    again = load_master_keys(tmp_path, {})
    assert first.ring(KeyPurpose.JWT).active_key == again.ring(KeyPurpose.JWT).active_key


def test_many_first_starts_agree(tmp_path: Path) -> None:
    made: list[bytes] = []
    barrier = threading.Barrier(8)

    def start() -> None:
        barrier.wait()
        made.append(load_master_keys(tmp_path, {}).ring(KeyPurpose.JWT).active_key)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert len(set(made)) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_readable_key_file_stops_the_start(tmp_path: Path, mode: int) -> None:
    load_master_keys(tmp_path, {})
    (tmp_path / "keys" / "master.key").chmod(mode)
    with pytest.raises(BadMasterKey, match="chmod 600"):
        load_master_keys(tmp_path, {})


@pytest.mark.parametrize(
    "text",
    [
        GOOD.hex(),
        GOOD.hex().upper(),
        base64.b64encode(GOOD).decode(),
        base64.urlsafe_b64encode(GOOD).decode().rstrip("="),
        f" {GOOD.hex()}\n",
    ],
)
def test_environment_in_any_spelling(tmp_path: Path, text: str) -> None:
    ring = load_master_keys(tmp_path, _env(text)).ring(KeyPurpose.JWT)
    assert ring.active_key == MasterKeys([GOOD]).ring(KeyPurpose.JWT).active_key
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "changeme",
        "secret",
        "a" * 32,
        "0" * 64,
        "f" * 64,
        "0123456789abcdef" * 4,
        bytes(range(32)).hex(),
        base64.b64encode(b"x" * 32).decode(),
        base64.b64encode(b"this-is-a-very-secret-passphrase").decode(),
        base64.b64encode(GOOD[:31]).decode(),
        base64.b64encode(GOOD + b"x").decode(),
        GOOD.hex()[:-2],
        base64.b64encode(GOOD).decode()[:-5] + "!!!!=",
        f"{GOOD.hex()},changeme",
    ],
)
def test_a_bad_key_stops_the_start_and_is_not_shown(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadMasterKey) as caught:
        load_master_keys(tmp_path, _env(text))
    assert "PIXSIM7_MASTER_KEY" in str(caught.value)
    assert GOOD.hex()[:8] not in str(caught.value)
    assert caught.value.__cause__ is None


def test_an_empty_or_foreign_file_stops_the_start(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "master.key"
    path.parent.mkdir()
    path.touch(0o600)
    with pytest.raises(BadMasterKey):
        load_master_keys(tmp_path, {})
    path.unlink()
    os.mkfifo(path, 0o600)
    with pytest.raises(BadMasterKey):
        load_master_keys(tmp_path, {})


def test_every_purpose_has_its_own_key() -> None:
    keys = MasterKeys([GOOD])
    derived = {keys.ring(purpose).active_key for purpose in KeyPurpose}
    assert len(derived) == len(KeyPurpose)
    assert GOOD not in derived


def test_rotation_keeps_the_old_key_for_reading(tmp_path: Path) -> None:
    newer = secrets.token_bytes(32)
    before = MasterKeys([GOOD]).ring(KeyPurpose.JWT)
    after = load_master_keys(tmp_path, _env(f"{newer.hex()},{GOOD.hex()}")).ring(KeyPurpose.JWT)
    assert after.active != before.active
    assert after.find(before.active) == before.active_key
    assert list(after.kids) == [after.active, before.active]
    assert MasterKeys([newer]).ring(KeyPurpose.JWT).find(before.active) is None


@pytest.mark.parametrize("kid", ["", "../../etc/passwd", "0" * 8, "' OR 1=1"])
def test_unknown_kid(kid: str) -> None:
    assert MasterKeys([GOOD]).ring(KeyPurpose.JWT).find(kid) is None


def test_a_ring_refuses_short_keys() -> None:
    with pytest.raises(ValueError):
        KeyRing(KeyPurpose.JWT, {"a": b"short"}, "a")
    with pytest.raises(ValueError):
        KeyRing(KeyPurpose.JWT, {"a": GOOD}, "b")


def test_nothing_shows_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    keys = MasterKeys([GOOD])
    ring = keys.ring(KeyPurpose.CREDENTIAL_KEK)
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("t").info("%s %r %s %r", keys, keys, ring, ring)
    for secret in (GOOD, ring.active_key):
        for shape in (secret.hex(), repr(secret)[2:-1], base64.b64encode(secret).decode()):
            assert shape not in caplog.text
