"""Signing in, staying signed in, and being signed out at once."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from pixsim7_backend.domain.user import (
    ApiToken,
    BadCredentials,
    RefreshGeneration,
    SessionEnded,
    SessionNotFound,
    TokenNotFound,
    User,
    UserSession,
)
from pixsim7_backend.domain.vocabulary import UserRole
from pixsim7_backend.infrastructure.database.engine import Database, Transaction
from pixsim7_backend.infrastructure.database.repositories.user import (
    SessionRepository,
    UserRepository,
)
from pixsim7_backend.infrastructure.security.keys import KeyPurpose, MasterKeys
from pixsim7_backend.infrastructure.security.passwords import PasswordHashing
from pixsim7_backend.infrastructure.security.tokens import (
    ACCESS_LIFE_S,
    REFRESH_REPLAY_S,
    issue_access_token,
    new_api_token,
    new_refresh_token,
    parse_api_token,
    read_access_token,
    refresh_successor,
    token_digest,
)
from pixsim7_backend.services.user.user_service import password_problems
from pixsim7_backend.shared.errors import FieldProblem, InvalidInput, Unauthenticated

IDLE_LIFE = timedelta(days=14)
TOUCH_AGE = timedelta(minutes=1)
"""When something was last used is written down this often at most."""
ABSOLUTE_LIFE = timedelta(days=30)
ADMIN_LIFE = timedelta(hours=12)
MAX_TOKEN_DAYS = 365
SCOPES = ("read", "generate", "manage")
ALL_SCOPES = frozenset({"*"})


class SessionToken(str):
    """An access token that carries what came with it."""

    __slots__ = ("expires_in", "refresh_token", "session_id")

    refresh_token: str
    expires_in: int
    session_id: UUID

    @classmethod
    def make(cls, access: str, refresh: str, session_id: UUID) -> "SessionToken":
        token = cls(access)
        token.refresh_token = refresh
        token.expires_in = ACCESS_LIFE_S
        token.session_id = session_id
        return token


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, by which session or API token, and with which scopes."""

    user: User
    scopes: frozenset[str]
    session_id: UUID | None = None
    token_id: UUID | None = None

    @property
    def viewer_id(self) -> UUID:
        """What a signed link or a stream stands and falls with: the session, or the API token."""
        return self.session_id or self.token_id or self.user.id

    def may(self, scope: str) -> bool:
        return "*" in self.scopes or scope in self.scopes


class AuthService:
    """Sessions and tokens. Every check reads the rows: revocation counts from the next request."""

    def __init__(self, database: Database, passwords: PasswordHashing, keys: MasterKeys) -> None:
        self._db = database
        self._passwords = passwords
        self._jwt_keys = keys.ring(KeyPurpose.JWT)
        self._refresh_keys = keys.ring(KeyPurpose.REFRESH)

    async def login(
        self,
        email: str,
        password: str,
        *,
        ip: str | None = None,
        user_agent: str | None = None,
    ) -> tuple[User, SessionToken]:
        """Sign in by e-mail or username. An old hash is upgraded.

        Raises `BadCredentials`, the same and as slowly for a wrong password, an unknown person
        and one that is shut out.
        """
        async with self._db.transaction() as tx:
            found = await UserRepository(tx.session).find_by_login(email)
        stored = found.password_hash if found is not None and found.is_active else None
        is_right, new_hash = await self._passwords.verify_password(password, stored)
        if not is_right or found is None:
            raise BadCredentials("The e-mail or the password is wrong.")
        async with self._db.transaction() as tx:
            user = await UserRepository(tx.session).lock(found.id)
            if user is None or not user.is_active:
                raise BadCredentials("The e-mail or the password is wrong.")
            if user.password_hash == stored:
                user.last_login_at = datetime.now(UTC)
                if new_hash is not None:
                    user.password_hash = new_hash
                return user, await self._open_session(tx, user, ip, user_agent)
        # Changed or upgraded since it was read: what counts is the new one.
        return await self.login(email, password, ip=ip, user_agent=user_agent)

    async def _open_session(
        self, tx: Transaction, user: User, ip: str | None, user_agent: str | None
    ) -> SessionToken:
        refresh = new_refresh_token()
        life = ADMIN_LIFE if user.role is UserRole.ADMIN else ABSOLUTE_LIFE
        session = UserSession(
            user_id=user.id,
            refresh_hash=refresh.sha256,
            ip=ip,
            user_agent=None if user_agent is None else user_agent[:300],
            expires_at=datetime.now(UTC) + life,
        )
        await SessionRepository(tx.session).add(session)
        tx.publish("user:login", user_id=user.id, data={"session_id": str(session.id)})
        return self._token(user.id, session.id, refresh.plain)

    def _token(self, user_id: UUID, session_id: UUID, refresh: str) -> SessionToken:
        access = issue_access_token(self._jwt_keys, user_id=user_id, session_id=session_id)
        return SessionToken.make(access, refresh, session_id)

    async def refresh(
        self, refresh_token: str, *, ip: str | None = None, user_agent: str | None = None
    ) -> tuple[User, SessionToken]:
        """A new access token, and the next refresh token in place of the given one.

        The one before, shown again within 20 s (two tabs, a lost answer), gets the same successor.
        Any older one is a theft: the session ends. Raises `SessionEnded`.
        """
        digest = token_digest(refresh_token)
        result: tuple[User, SessionToken] | None = None
        async with self._db.transaction() as tx:
            sessions = SessionRepository(tx.session)
            session = await sessions.lock_by_refresh(digest)
            if session is None:
                retired = await sessions.find_retired(digest)
                if retired is not None:
                    await self._end_stolen(tx, retired.session_id)
            else:
                result = await self._rotate(tx, session, refresh_token, digest)
        # Raised outside, so that ending a stolen session commits.
        if result is None:
            raise SessionEnded("The session has ended; sign in again.")
        return result

    async def _rotate(
        self, tx: Transaction, session: UserSession, refresh_token: str, digest: bytes
    ) -> tuple[User, SessionToken] | None:
        sessions = SessionRepository(tx.session)
        live = await sessions.find_with_user(session.id)
        if live is None or session.last_seen_at < datetime.now(UTC) - IDLE_LIFE:
            return None
        _, user = live
        if hmac.compare_digest(session.refresh_hash, digest):
            successor = refresh_successor(self._refresh_keys, refresh_token)
            if session.previous_refresh_hash is not None:
                await sessions.add(
                    RefreshGeneration(
                        token_hash=session.previous_refresh_hash, session_id=session.id
                    )
                )
            session.previous_refresh_hash = digest
            session.refresh_hash = successor.sha256
            session.rotated_at = session.last_seen_at = datetime.now(UTC)
            return user, self._token(user.id, session.id, successor.plain)
        rotated = session.rotated_at or session.created_at
        if datetime.now(UTC) - rotated > timedelta(seconds=REFRESH_REPLAY_S):
            await self._end_stolen(tx, session.id)
            return None
        successor = refresh_successor(
            self._refresh_keys, refresh_token, current_sha256=session.refresh_hash
        )
        return user, self._token(user.id, session.id, successor.plain)

    async def _end_stolen(self, tx: Transaction, session_id: UUID) -> None:
        ended = await SessionRepository(tx.session).revoke_session(
            session_id, "an old refresh token was used again"
        )
        if ended is not None:
            tx.publish(
                "user:logout",
                user_id=ended.user_id,
                data={"session_id": str(session_id), "reason": "refresh token reuse"},
            )

    # --- every request ---

    async def authenticate(self, credential: str) -> Principal:
        """Who shows this access token or API token; raises `Unauthenticated`."""
        if credential.startswith("px7_"):
            return await self._by_api_token(credential)
        claims = read_access_token(self._jwt_keys, credential)
        async with self._db.transaction() as tx:
            sessions = SessionRepository(tx.session)
            live = await sessions.find_with_user(claims.session_id)
            if live is None or live[1].id != claims.user_id:
                raise SessionEnded("The session has ended; sign in again.")
            session, user = live
            if _is_older(session.last_seen_at, TOUCH_AGE):
                await sessions.touch(session.id, TOUCH_AGE)
        return Principal(user, ALL_SCOPES, session_id=session.id)

    async def _by_api_token(self, credential: str) -> Principal:
        parsed = parse_api_token(credential)
        async with self._db.transaction() as tx:
            sessions = SessionRepository(tx.session)
            found = await sessions.find_token_with_user(parsed.token_id)
            if found is None or not hmac.compare_digest(found[0].token_hash, parsed.sha256):
                raise Unauthenticated("The token is not valid or has expired.")
            token, user = found
            if _is_older(token.last_used_at, TOUCH_AGE):
                await sessions.touch_token(token.id, TOUCH_AGE)
        return Principal(user, frozenset(token.scopes), token_id=token.id)

    async def find_viewer(self, viewer_id: UUID) -> User | None:
        """The active person whose live session or API token this is."""
        async with self._db.transaction() as tx:
            return await SessionRepository(tx.session).find_viewer(viewer_id)

    async def verify_token(self, token: str) -> User:
        """The person of a valid token whose session lives."""
        return (await self.authenticate(token)).user

    # --- sessions ---

    async def logout(self, token: str) -> None:
        """End the session of this token; one that has ended already is fine."""
        claims = read_access_token(self._jwt_keys, token)
        await self._revoke(claims.session_id, "signed out", None)

    async def get_user_sessions(self, user_id: UUID) -> Sequence[UserSession]:
        """Live sessions, newest first."""
        async with self._db.transaction() as tx:
            return await SessionRepository(tx.session).list_live(user_id)

    async def revoke_session(self, session_id: UUID, user: User | None = None) -> None:
        """End a session at once; with a user, only one of theirs (`SessionNotFound`)."""
        owner = None if user is None else user.id
        if not await self._revoke(session_id, "revoked", owner):
            raise SessionNotFound("There is no such session.")

    async def revoke_other_sessions(self, user: User, keep_session_id: UUID) -> None:
        """End all of the person's sessions but this one, at once."""
        async with self._db.transaction() as tx:
            ended = await SessionRepository(tx.session).revoke_all(
                user.id, "revoked", keep=keep_session_id
            )
            for session in ended:
                tx.publish(
                    "user:logout",
                    user_id=user.id,
                    data={"session_id": str(session.id), "reason": "revoked"},
                )

    async def _revoke(self, session_id: UUID, reason: str, user_id: UUID | None) -> bool:
        async with self._db.transaction() as tx:
            ended = await SessionRepository(tx.session).revoke_session(session_id, reason, user_id)
            if ended is None:
                return False
            tx.publish(
                "user:logout",
                user_id=ended.user_id,
                data={"session_id": str(session_id), "reason": reason},
            )
            return True

    async def change_password(
        self, user: User, current: str, new: str, *, keep_session_id: UUID | None = None
    ) -> None:
        """Set a new password; all other sessions and all API tokens end."""
        async with self._db.transaction() as tx:
            fresh = await UserRepository(tx.session).find(user.id)
        stored = None if fresh is None else fresh.password_hash
        is_right, _ = await self._passwords.verify_password(current, stored)
        if not is_right:
            problem = FieldProblem("current_password", "is wrong")
            raise InvalidInput("The current password is wrong.", fields=[problem])
        problems = password_problems(new, "new_password")
        if problems:
            raise InvalidInput("The new password cannot be used.", fields=problems)
        new_hash = await self._passwords.hash_password(new)
        async with self._db.transaction() as tx:
            row = await UserRepository(tx.session).lock(user.id)
            if row is not None:
                row.password_hash = new_hash
                row.must_change_password = False
            sessions = SessionRepository(tx.session)
            await sessions.revoke_all(user.id, "the password was changed", keep=keep_session_id)
            await sessions.revoke_tokens_of(user.id)
            tx.publish("user:updated", user_id=user.id, data={"changed": ["password"]})

    # --- API tokens ---

    async def create_api_token(
        self, user: User, name: str, scopes: Sequence[str], expires_in_days: int = 90
    ) -> tuple[ApiToken, str]:
        """A token for programs; the plain text is returned this once and kept nowhere."""
        problems = []
        if not 1 <= len(name) <= 100:
            problems.append(FieldProblem("name", "must have 1 to 100 characters"))
        if not scopes or set(scopes) - set(SCOPES):
            problems.append(FieldProblem("scopes", "must be some of the scopes", SCOPES))
        if not 1 <= expires_in_days <= MAX_TOKEN_DAYS:
            allowed = f"1 to {MAX_TOKEN_DAYS} days"
            problems.append(FieldProblem("expires_in_days", f"must be {allowed}", allowed))
        if problems:
            raise InvalidInput("The token cannot be made like this.", fields=problems)
        made = new_api_token()
        token = ApiToken(
            user_id=user.id,
            name=name,
            public_id=made.token_id,
            token_hash=made.sha256,
            scopes=sorted(set(scopes)),
            expires_at=datetime.now(UTC) + timedelta(days=expires_in_days),
        )
        async with self._db.transaction() as tx:
            await SessionRepository(tx.session).add(token)
            await tx.session.refresh(token)
            tx.publish("user:updated", user_id=user.id, data={"changed": ["api_tokens"]})
        return token, made.plain

    async def list_api_tokens(self, user: User) -> Sequence[ApiToken]:
        """Those that are not revoked; never with their secrets."""
        async with self._db.transaction() as tx:
            return await SessionRepository(tx.session).list_tokens(user.id)

    async def revoke_api_token(self, token_id: UUID, user: User) -> None:
        """Raises `TokenNotFound`."""
        async with self._db.transaction() as tx:
            if not await SessionRepository(tx.session).revoke_token(token_id, user.id):
                raise TokenNotFound("There is no such token.")
            tx.publish("user:updated", user_id=user.id, data={"changed": ["api_tokens"]})


def _is_older(at: datetime | None, age: timedelta) -> bool:
    return at is None or at < datetime.now(UTC) - age
