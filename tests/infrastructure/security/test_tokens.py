"""Refresh tokens, API tokens and media links: unguessable, bound, and silent about why not."""

import base64
import hashlib
import logging
import secrets
from typing import Any
from uuid import UUID, uuid4

import pytest

from pixsim7_backend.infrastructure.security.keys import KeyPurpose, KeyRing, MasterKeys
from pixsim7_backend.infrastructure.security.tokens import (
    new_api_token,
    new_refresh_token,
    parse_api_token,
    refresh_successor,
    sign_media,
    token_digest,
    verify_media,
)
from pixsim7_backend.shared.errors import NotFound, Unauthenticated

MASTER = MasterKeys([secrets.token_bytes(32)])
KEYS = MASTER.ring(KeyPurpose.JWT)
NOW = 1_800_000_000


class TestRefreshToken:
    ring = MASTER.ring(KeyPurpose.REFRESH)

    def test_random_and_stored_as_digest(self) -> None:
        made = [new_refresh_token() for _ in range(100)]
        assert len({token.plain for token in made}) == 100
        assert all(len(base64.urlsafe_b64decode(token.plain + "=")) == 32 for token in made)
        assert made[0].sha256 == hashlib.sha256(made[0].plain.encode()).digest()

    def test_the_successor_is_always_the_same_and_needs_the_key(self) -> None:
        first = new_refresh_token()
        second = refresh_successor(self.ring, first.plain)
        assert refresh_successor(self.ring, first.plain) == second
        assert refresh_successor(self.ring, second.plain).plain not in (first.plain, second.plain)
        other = MasterKeys([secrets.token_bytes(32)]).ring(KeyPurpose.REFRESH)
        assert refresh_successor(other, first.plain) != second

    def test_replay_of_the_immediate_predecessor_only(self) -> None:
        first = new_refresh_token()
        second = refresh_successor(self.ring, first.plain)
        third = refresh_successor(self.ring, second.plain)
        again = refresh_successor(self.ring, second.plain, current_sha256=third.sha256)
        assert again == third
        for stranger in (first.plain, third.plain, "", "\ud800", new_refresh_token().plain):
            with pytest.raises(Unauthenticated):
                refresh_successor(self.ring, stranger, current_sha256=third.sha256)

    def test_replay_across_a_key_rotation(self) -> None:
        old, new = secrets.token_bytes(32), secrets.token_bytes(32)
        before = MasterKeys([old]).ring(KeyPurpose.REFRESH)
        after = MasterKeys([new, old]).ring(KeyPurpose.REFRESH)
        first = new_refresh_token()
        second = refresh_successor(before, first.plain)
        assert refresh_successor(after, first.plain, current_sha256=second.sha256) == second


class TestApiToken:
    def test_shape(self) -> None:
        made = new_api_token()
        assert len(made.plain) == 4 + 8 + 43 + 6
        assert made.plain.startswith(f"px7_{made.token_id}")
        assert made.plain.isalnum() is False
        assert made.plain.replace("_", "").isalnum()
        assert made.sha256 == token_digest(made.plain)
        assert parse_api_token(made.plain) == made
        assert len({new_api_token().plain for _ in range(100)}) == 100

    def test_a_typing_error_is_found_offline(self) -> None:
        plain = new_api_token().plain
        for position, old in enumerate(plain):
            with pytest.raises(Unauthenticated):
                parse_api_token(
                    plain[:position] + ("a" if old != "a" else "b") + plain[position + 1 :]
                )

    @pytest.mark.parametrize("change", ["", " ", "\n", "x", "px8", "٣", "\x00"])
    def test_other_shapes(self, change: str) -> None:
        plain = new_api_token().plain
        last = change if change != plain[-1] else "y"  # the token itself is no odd shape
        for text in (change, f"{change}x{plain}", f"{plain}{change or '!'}", plain[:-1] + last):
            with pytest.raises(Unauthenticated):
                parse_api_token(text)


class TestMediaLink:
    ring = MASTER.ring(KeyPurpose.MEDIA_URL)
    asset, viewer = uuid4(), uuid4()

    def _sign(self, **changes: Any) -> str:
        wanted = {"asset_id": self.asset, "kind": "file", "viewer_id": self.viewer, "now": NOW}
        return sign_media(self.ring, **{**wanted, **changes})

    def _verify(self, token: str, **changes: Any) -> UUID:
        wanted = {"asset_id": self.asset, "kind": "file", "now": NOW}
        return verify_media(self.ring, token, **{**wanted, **changes})

    def test_round_trip(self) -> None:
        assert self._verify(self._sign()) == self.viewer
        assert self._verify(self._sign(is_download=True), is_download=True) == self.viewer

    @pytest.mark.parametrize("offset", [0, 1, 1800, 3599])
    def test_lives_one_to_two_hours_and_is_stable_for_one(self, offset: int) -> None:
        base = NOW // 3600 * 3600 + self.asset.int % 3600
        token = self._sign(now=base + offset)
        assert token == self._sign(now=base)
        assert self._verify(token, now=base + offset + 3600) == self.viewer
        with pytest.raises(NotFound):
            self._verify(token, now=base + 7200)

    def test_assets_take_turns(self) -> None:
        """Two links of one moment end at different times."""
        ends = {self._sign(asset_id=UUID(int=number)).split(".")[1] for number in range(50)}
        assert len(ends) == 50

    def test_for_nothing_else(self) -> None:
        token = self._sign()
        for changes in (
            {"asset_id": uuid4()},
            {"kind": "thumbnail"},
            {"kind": "file "},
            {"is_download": True},
            {"now": NOW + 7201},
            {"now": NOW - 7300},
        ):
            with pytest.raises(NotFound):
                self._verify(token, **changes)

    def test_tampered(self) -> None:
        token = self._sign()
        for position, old in enumerate(token):
            with pytest.raises(NotFound):
                self._verify(
                    token[:position] + ("1" if old != "1" else "2") + token[position + 1 :]
                )
        kid, expires, viewer, mac = token.split(".")
        for text in (
            "",
            "...",
            f"{kid}.{int(expires) + 3600}.{viewer}.{mac}",
            f"{kid}.{expires}.{uuid4().hex}.{mac}",
            f"{kid}.٣{expires[1:]}.{viewer}.{mac}",
            f"{kid}.{expires}.{viewer.upper()}.{mac}x",
            f"{token}\n",
            f"{token}=",
        ):
            with pytest.raises(NotFound):
                self._verify(text)

    def test_keys_of_another_purpose(self) -> None:
        with pytest.raises(ValueError):
            verify_media(KEYS, self._sign(), asset_id=self.asset, kind="file")
        other = MasterKeys([secrets.token_bytes(32)]).ring(KeyPurpose.MEDIA_URL)
        with pytest.raises(NotFound):
            verify_media(other, self._sign(), asset_id=self.asset, kind="file", now=NOW)


def test_nothing_shows_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    ring: KeyRing = MASTER.ring(KeyPurpose.REFRESH)
    api, refresh = new_api_token(), new_refresh_token()
    following = refresh_successor(ring, refresh.plain)
    with caplog.at_level(logging.DEBUG):
        for shown in (api, refresh, following, ring):
            logging.getLogger("t").info("%s %r", shown, shown)
        for reader, text in ((parse_api_token, api.plain + "x"),):
            try:
                reader(text)
            except Unauthenticated:
                logging.getLogger("t").exception("refused")
    for secret in (api.plain, api.plain[12:], refresh.plain, following.plain, api.sha256.hex()):
        assert secret not in caplog.text
