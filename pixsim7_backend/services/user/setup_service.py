"""The first run: a fresh installation gets its first administrator, exactly once."""

import hmac
import secrets
from datetime import UTC, datetime, timedelta

from pixsim7_backend.domain.user import SetupDone, SetupRefused, User
from pixsim7_backend.domain.vocabulary import UserRole
from pixsim7_backend.infrastructure.database.engine import Database
from pixsim7_backend.infrastructure.database.repositories.installation import (
    InstallationRepository,
)
from pixsim7_backend.infrastructure.database.repositories.user import UserRepository
from pixsim7_backend.infrastructure.security.tokens import token_digest
from pixsim7_backend.services.user.user_service import UserService

_TOKEN = "setup_token"  # noqa: S105 - the name of the fact, not the token
TOKEN_LIFE = timedelta(minutes=15)


class SetupService:
    """Whoever runs the server proves it by the token on its console, or by sitting at it."""

    def __init__(self, database: Database, users: UserService) -> None:
        self._db = database
        self._users = users

    async def is_needed(self) -> bool:
        """True while there is no administrator, not even one that is shut out."""
        async with self._db.transaction() as tx:
            return not await UserRepository(tx.session).has_admin()

    async def issue_token(self) -> str | None:
        """A new one-time token in place of any earlier one, good for 15 minutes; None when
        nothing is to be set up."""
        if not await self.is_needed():
            return None
        token = secrets.token_urlsafe(32)
        async with self._db.transaction() as tx:
            await InstallationRepository(tx.session).replace(_TOKEN, token_digest(token).hex())
        return token

    async def create_first_admin(
        self, email: str, username: str, password: str, *, token: str | None, is_local: bool
    ) -> User:
        """Add the first administrator; the token is gone with that.

        Raises `SetupDone` when there is one already, `SetupRefused` without the token unless the
        request came from this machine, and what `create_user` raises.
        """
        await self._check(token, is_local=is_local)
        async with self._db.transaction() as tx:
            # Nobody is added or promoted meanwhile, by whatever way.
            await UserRepository(tx.session).lock_table()
            await self._check(token, is_local=is_local)
            user = await self._users.create_user(email, username, password, UserRole.ADMIN)
            await InstallationRepository(tx.session).forget(_TOKEN)
            return user

    async def _check(self, token: str | None, *, is_local: bool) -> None:
        async with self._db.transaction() as tx:
            if await UserRepository(tx.session).has_admin():
                raise SetupDone("Sign in as the administrator, or ask whoever is it.")
            oldest = datetime.now(UTC) - TOKEN_LIFE
            stored = await InstallationRepository(tx.session).find(_TOKEN, not_before=oldest)
        if is_local and token is None:
            return
        given = token_digest(token or "").hex()
        if stored is None or not hmac.compare_digest(stored, given):
            raise SetupRefused("The server prints the token on its console when it starts.")
