"""Signing in, staying signed in, and being signed out at once."""

import asyncio
import base64
import hashlib
import json

import bcrypt
import jwt
import pytest

from pixsim7_backend.domain import User
from pixsim7_backend.domain.user import (
    BadCredentials,
    SessionEnded,
    SessionNotFound,
    TokenNotFound,
)
from pixsim7_backend.services.user.auth_service import SessionToken
from pixsim7_backend.shared.errors import InvalidInput, Unauthenticated
from tests.conftest import PASSWORD
from tests.services.conftest import Lab


async def signed_in(lab: Lab) -> tuple[User, SessionToken]:
    user = await lab.make.user()
    return await lab.services.auth.login(user.email, PASSWORD)


async def test_login_by_email_or_username_whatever_the_case(lab: Lab) -> None:
    user = await lab.make.user()
    for name in (user.email.upper(), user.username, f"  {user.username.upper()} "):
        found, token = await lab.services.auth.login(name, PASSWORD)
        assert found.id == user.id
        assert (await lab.services.auth.verify_token(token)).id == user.id


async def test_wrong_unknown_and_shut_out_look_the_same(lab: Lab) -> None:
    auth = lab.services.auth
    admin, user = await lab.make.user("admin"), await lab.make.user()
    said = set()
    await lab.services.users.delete_user(user.id, admin)
    for name, password in (
        (admin.email, "wrong password"),
        ("nobody@example.com", PASSWORD),
        (user.email, PASSWORD),
    ):
        with pytest.raises(BadCredentials) as raised:
            await auth.login(name, password)
        said.add((raised.value.code, raised.value.detail))
    assert len(said) == 1


LONG = "a long pass phrase " * 5


@pytest.mark.parametrize(
    ("password", "fed_to_bcrypt"),
    [
        (PASSWORD, PASSWORD.encode()),
        # Above bcrypt's 72 bytes, earlier versions fed it the SHA-256.
        (LONG, hashlib.sha256(LONG.encode()).hexdigest().encode()),
    ],
)
async def test_a_bcrypt_hash_works_and_is_upgraded(
    lab: Lab, password: str, fed_to_bcrypt: bytes
) -> None:
    user = await lab.make.user()
    old = bcrypt.hashpw(fed_to_bcrypt, bcrypt.gensalt(4)).decode()
    await lab.sql("UPDATE users SET password_hash = :hash", hash=old)
    with pytest.raises(BadCredentials):
        await lab.services.auth.login(user.email, "wrong password")
    await lab.services.auth.login(user.email, password)
    upgraded = await lab.scalar("SELECT password_hash FROM users")
    assert upgraded.startswith("$argon2id$")
    await lab.services.auth.login(user.email, password)
    assert await lab.scalar("SELECT password_hash FROM users") == upgraded


async def test_parallel_logins_with_an_old_hash_all_succeed(lab: Lab) -> None:
    user = await lab.make.user()
    old = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    await lab.sql("UPDATE users SET password_hash = :hash", hash=old)
    await asyncio.gather(*(lab.services.auth.login(user.email, PASSWORD) for _ in range(5)))
    assert len(await lab.services.auth.get_user_sessions(user.id)) == 5


async def test_tokens_of_other_making_are_refused(lab: Lab) -> None:
    _, token = await signed_in(lab)
    claims = jwt.decode(token, options={"verify_signature": False})
    header, payload, signature = token.split(".")
    forged_header = base64.urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).decode()
    for forged in (
        jwt.encode(claims, "another key of at least thirty-two bytes", "HS256"),
        f"{forged_header.rstrip('=')}.{payload}.",
        f"{header}.{payload}.{signature[:-4]}AAAA",
        "not.a.token",
        "",
    ):
        with pytest.raises(Unauthenticated):
            await lab.services.auth.verify_token(forged)


async def test_sessions_tell_where_they_are_from_and_end_at_once(lab: Lab) -> None:
    auth = lab.services.auth
    user, other = await lab.make.user(), await lab.make.user()
    _, phone = await auth.login(user.email, PASSWORD, ip="10.1.2.3", user_agent="Phone" * 100)
    _, laptop = await auth.login(user.email, PASSWORD, ip="::1", user_agent="Laptop")
    sessions = await auth.get_user_sessions(user.id)
    assert [(str(item.ip), (item.user_agent or "")[:6]) for item in sessions] == [
        ("::1", "Laptop"),
        ("10.1.2.3", "PhoneP"),
    ]
    with pytest.raises(SessionNotFound):
        await auth.revoke_session(phone.session_id, other)
    await auth.revoke_session(phone.session_id, user)
    with pytest.raises(SessionEnded):
        await auth.verify_token(phone)
    with pytest.raises(SessionEnded):
        await auth.refresh(phone.refresh_token)
    await auth.verify_token(laptop)
    await auth.logout(laptop)
    await auth.logout(laptop)
    with pytest.raises(SessionEnded):
        await auth.verify_token(laptop)


async def test_an_expired_session_is_over(lab: Lab) -> None:
    _, token = await signed_in(lab)
    await lab.sql("UPDATE user_sessions SET expires_at = now() - interval '1 s'")
    with pytest.raises(SessionEnded):
        await lab.services.auth.verify_token(token)
    with pytest.raises(SessionEnded):
        await lab.services.auth.refresh(token.refresh_token)


async def test_refresh_rotates_and_forgives_a_second_tab(lab: Lab) -> None:
    auth = lab.services.auth
    _, first = await signed_in(lab)
    results = await asyncio.gather(*(auth.refresh(first.refresh_token) for _ in range(5)))
    successors = {token.refresh_token for _, token in results}
    assert len(successors) == 1
    assert successors != {first.refresh_token}
    _, third = await auth.refresh(successors.pop())
    await auth.verify_token(third)


async def test_an_old_refresh_token_ends_the_session(lab: Lab) -> None:
    auth = lab.services.auth
    _, first = await signed_in(lab)
    _, second = await auth.refresh(first.refresh_token)
    await lab.sql("UPDATE user_sessions SET rotated_at = now() - interval '21 s'")
    with pytest.raises(SessionEnded):
        await auth.refresh(first.refresh_token)
    with pytest.raises(SessionEnded):
        await auth.refresh(second.refresh_token)
    with pytest.raises(SessionEnded):
        await auth.verify_token(second)
    reason = await lab.scalar("SELECT data->>'reason' FROM events WHERE type = 'user:logout'")
    assert reason == "refresh token reuse"


async def test_a_refresh_token_of_two_generations_ago_is_a_theft(lab: Lab) -> None:
    auth = lab.services.auth
    _, first = await signed_in(lab)
    _, second = await auth.refresh(first.refresh_token)
    _, third = await auth.refresh(second.refresh_token)
    with pytest.raises(SessionEnded):
        await auth.refresh(first.refresh_token)
    with pytest.raises(SessionEnded):
        await auth.verify_token(third)


async def test_a_new_password_ends_the_other_sessions_and_all_tokens(lab: Lab) -> None:
    auth = lab.services.auth
    user, here = await signed_in(lab)
    _, elsewhere = await auth.login(user.email, PASSWORD)
    _, plain = await auth.create_api_token(user, "script", ["read"])
    with pytest.raises(InvalidInput) as raised:
        await auth.change_password(user, "wrong password", "another good password")
    assert raised.value.fields[0].field == "current_password"
    with pytest.raises(InvalidInput) as raised:
        await auth.change_password(user, PASSWORD, "short")
    assert raised.value.fields[0].field == "new_password"
    await auth.change_password(
        user, PASSWORD, "another good password", keep_session_id=here.session_id
    )
    await auth.verify_token(here)
    for ended in (elsewhere, plain):
        with pytest.raises(Unauthenticated):
            await auth.verify_token(ended)
    with pytest.raises(BadCredentials):
        await auth.login(user.email, PASSWORD)
    with pytest.raises(InvalidInput):  # the caller's copy of the person is from before
        await auth.change_password(user, PASSWORD, "a third good password")


async def test_api_tokens_carry_scopes_expire_and_are_revoked(lab: Lab) -> None:
    auth = lab.services.auth
    user, other = await lab.make.user(), await lab.make.user()
    token, plain = await auth.create_api_token(user, "script", ["read", "read"])
    principal = await auth.authenticate(plain)
    assert (principal.user.id, principal.may("read"), principal.may("manage")) == (
        user.id,
        True,
        False,
    )
    dump = await lab.scalar("SELECT string_agg(t::text, ' ') FROM api_tokens t")
    assert plain.split("_")[-1] not in dump
    with pytest.raises(Unauthenticated):
        await auth.authenticate(plain[:-1] + ("a" if plain[-1] != "a" else "b"))
    with pytest.raises(TokenNotFound):
        await auth.revoke_api_token(token.id, other)
    await lab.sql("UPDATE api_tokens SET expires_at = now()")
    with pytest.raises(Unauthenticated):
        await auth.authenticate(plain)
    await lab.sql("UPDATE api_tokens SET expires_at = now() + interval '1 day'")
    await auth.revoke_api_token(token.id, user)
    with pytest.raises(Unauthenticated):
        await auth.authenticate(plain)
    assert await auth.list_api_tokens(user) == []


async def test_a_token_that_makes_no_sense_is_not_made(lab: Lab) -> None:
    user = await lab.make.user()
    with pytest.raises(InvalidInput) as raised:
        await lab.services.auth.create_api_token(user, "", ["rule"], 400)
    fields = {item.field: item.allowed for item in raised.value.fields}
    assert fields["scopes"] == ("read", "generate", "manage")
    assert set(fields) == {"name", "scopes", "expires_in_days"}


async def test_a_person_who_is_shut_out_is_out_at_once(lab: Lab) -> None:
    auth = lab.services.auth
    admin = await lab.make.user("admin")
    user, token = await signed_in(lab)
    _, plain = await auth.create_api_token(user, "script", ["read"])
    await lab.services.users.delete_user(user.id, admin)
    for credential in (token, plain):
        with pytest.raises(Unauthenticated):
            await auth.verify_token(credential)
    with pytest.raises(SessionEnded):
        await auth.refresh(token.refresh_token)
