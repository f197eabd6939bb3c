"""The account pool: choosing, reserving, paying, and learning from what happened."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from pixsim7_backend.domain.account import (
    ACCOUNT_STATUS,
    AccountBusy,
    AccountInUse,
    AccountNotFound,
    InsufficientCredits,
    NoAccountAvailable,
    ProviderAccount,
)
from pixsim7_backend.domain.user import QuotaExceeded, User
from pixsim7_backend.domain.vocabulary import AccountStatus, ErrorKind, UserRole
from pixsim7_backend.infrastructure.database.engine import Database, Transaction
from pixsim7_backend.infrastructure.database.repositories.account import (
    AccountDay,
    AccountErrors,
    AccountLoad,
    AccountRepository,
    SlotRequest,
)
from pixsim7_backend.infrastructure.database.repositories.transition import transition
from pixsim7_backend.infrastructure.database.repositories.user import UserRepository
from pixsim7_backend.infrastructure.security.credentials import (
    CredentialCipher,
    credential_aad,
)
from pixsim7_backend.services.account.account_selector import Need, Pool, first_reason, shown
from pixsim7_backend.services.account.account_state import filled
from pixsim7_backend.shared.errors import FieldProblem, Forbidden, InvalidInput

HAND_RESERVATION = timedelta(minutes=10)
MIN_COOLDOWN_S, MAX_COOLDOWN_S, DEFAULT_COOLDOWN_S = 1.0, 3600.0, 60.0
FAILURES_BEFORE_COOLDOWN = 5
AVERAGE_WEIGHT = 0.2


class AccountService:
    """Rules of provider accounts. Every limit is decided in the transaction that uses it."""

    def __init__(self, database: Database, cipher: CredentialCipher) -> None:
        self._db = database
        self._cipher = cipher

    # --- choosing and reserving ---

    async def select_account(
        self, provider_id: str, user_id: UUID, required_credits: Decimal | float = 0
    ) -> ProviderAccount:
        """The account that would run a job of this person now.

        Raises `NoAccountAvailable` with the reason that is nearest to being lifted.
        """
        need = Need(user_id=user_id, credits=Decimal(str(required_credits)))
        async with self._db.transaction() as tx:
            loads = await AccountRepository(tx.session).load(provider_id, visible_to=[user_id])
        pool = Pool(loads)
        best = pool.take(need)
        if best is None:
            pool = Pool(loads)
            reasons = [refusal for load in loads if (refusal := pool.why_not(load, need))]
            raise NoAccountAvailable(first_reason(reasons).sentence, retry_after_s=30)
        return best.account

    async def reserve_account(
        self, account_id: UUID, credits: Decimal | float = 0
    ) -> ProviderAccount:
        """Take a slot by hand. `execute_job` adopts it; otherwise it lapses after ten minutes.

        Raises `AccountBusy` when every slot is in use, `InsufficientCredits` when the credits are
        promised to others.
        """
        amount = Decimal(str(credits))
        async with self._db.transaction() as tx:
            accounts = AccountRepository(tx.session)
            account = await self._locked(accounts, account_id)
            load = (await accounts.load(account.provider_id, account_ids=[account_id]))[0]
            available = Pool([load]).available_credits(load)
            if available is not None and available < amount:
                raise InsufficientCredits(f"Only {shown(available)} credits are free.")
            expires_at = datetime.now(UTC) + HAND_RESERVATION
            if not await accounts.reserve([SlotRequest(account_id, amount, None, expires_at)]):
                raise AccountBusy(AccountBusy.sentence)
            await accounts.mark_used([account_id])
        return account

    async def require_cover(self, account_id: UUID) -> None:
        """Raise `InsufficientCredits` when the holds of a locked account exceed its credits."""
        async with self._db.transaction() as tx:
            accounts = AccountRepository(tx.session)
            account = await self._locked(accounts, account_id)
            load = (await accounts.load(account.provider_id, account_ids=[account_id]))[0]
            left = Pool([load]).available_credits(load)
            if left is not None and left < 0:
                raise InsufficientCredits(f"It needs {shown(-left)} credits more than are free.")

    async def release_account(self, account_id: UUID) -> None:
        """Give a slot taken by hand back.

        A slot that a submission holds is given back by that submission's own end; then, and when
        nothing is reserved, this does nothing.
        """
        async with self._db.transaction() as tx:
            accounts = AccountRepository(tx.session)
            account = await self._locked(accounts, account_id)
            if await accounts.release_unadopted(account_id):
                tx.enqueue("dispatch", account.provider_id)

    # --- credits ---

    async def deduct_credits(self, account_id: UUID, credits: Decimal | float) -> ProviderAccount:
        """Take credits off the mirror, down to zero; an account without any is exhausted."""
        amount = Decimal(str(credits))
        async with self._db.transaction() as tx:
            accounts = AccountRepository(tx.session)
            account = await self._locked(accounts, account_id)
            if account.credits is None or amount <= 0:
                return account
            left = max(account.credits - amount, Decimal(0))
            account = await self._updated(accounts, account_id, credits=left)
            if left == 0:
                account = await self._set_status(
                    tx, account, AccountStatus.EXHAUSTED, "Its credits are used up."
                )
            self._publish(tx, "account:credits", account, {"credits": str(left)})
            return account

    async def update_credits(
        self,
        account_id: UUID,
        credits: Decimal | float | None,
        *,
        sync_started_at: datetime | None = None,
        charged_at_submit: bool = True,
    ) -> ProviderAccount:
        """Set the mirror to what the vendor says (None: the provider has no credits).

        An exhausted account with credits again becomes active, and waiting jobs are dispatched.
        Holds whose charge the balance already contains are not held twice. A balance that was
        asked for before the one that is known changes nothing.
        """
        amount = None if credits is None else max(Decimal(str(credits)), Decimal(0))
        started = sync_started_at or datetime.now(UTC)
        async with self._db.transaction() as tx:
            accounts = AccountRepository(tx.session)
            before = await self._locked(accounts, account_id)
            if before.credits_synced_at is not None and started < before.credits_synced_at:
                return before
            if charged_at_submit:
                await accounts.drop_holds_seen_by_balance(account_id, started)
            account = await self._updated(
                accounts, account_id, credits=amount, credits_synced_at=started
            )
            if amount == 0:
                account = await self._set_status(
                    tx, account, AccountStatus.EXHAUSTED, "Its credits are used up."
                )
            elif before.status is AccountStatus.EXHAUSTED:
                account = await self._set_status(tx, account, AccountStatus.ACTIVE, None)
            if before.credits != account.credits:
                shown = None if amount is None else str(amount)
                self._publish(tx, "account:credits", account, {"credits": shown})
            tx.enqueue("dispatch", account.provider_id)
            return account

    # --- learning ---

    async def record_success(
        self, account_id: UUID, generation_time_sec: float | None = None
    ) -> None:
        """Count a success; the account is healthy again, and its mean time moves on."""
        async with self._db.transaction() as tx:
            accounts = AccountRepository(tx.session)
            seconds = None if generation_time_sec is None else max(generation_time_sec, 0.0)
            if not await accounts.count_success(account_id, seconds, AVERAGE_WEIGHT):
                raise AccountNotFound("There is no such account.")

    async def record_failure(
        self,
        account_id: UUID,
        error: str,
        *,
        kind: ErrorKind | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        """Count a failure and do what its kind asks of the account.

        Credits used up: exhausted until the balance says otherwise. Key refused: error until a
        person or a test clears it. Rate or concurrency: cooling down. Five failures in a row of
        any other kind that is the account's or provider's fault: a minute of rest.
        """
        async with self._db.transaction() as tx:
            accounts = AccountRepository(tx.session)
            account = await self._locked(accounts, account_id)
            failures = account.consecutive_failures
            if kind not in (ErrorKind.FILTERED, ErrorKind.PARAM, ErrorKind.CONCURRENCY):
                failures += 1
            account = await self._updated(
                accounts,
                account_id,
                failure_count=account.failure_count + 1,
                consecutive_failures=failures,
                last_failure_at=datetime.now(UTC),
                last_error=error[:500],
            )
            match kind:
                case ErrorKind.CREDITS:
                    if account.credits is not None:
                        await self._updated(accounts, account_id, credits=Decimal(0))
                    await self._set_status(tx, account, AccountStatus.EXHAUSTED, error)
                    tx.enqueue("sync_account", str(account_id), delay_s=30)
                case ErrorKind.AUTH:
                    await self._set_status(tx, account, AccountStatus.ERROR, error)
                case ErrorKind.RATE:
                    wait = DEFAULT_COOLDOWN_S if retry_after_s is None else retry_after_s
                    await self._cool_down(tx, account, wait, AccountStatus.RATE_LIMITED)
                case ErrorKind.CONCURRENCY:
                    await self._cool_down(tx, account, retry_after_s or 5.0, None)
                case _ if failures >= FAILURES_BEFORE_COOLDOWN:
                    await self._cool_down(tx, account, DEFAULT_COOLDOWN_S, None)
                case _:
                    pass

    async def end_cooldown(self, account_id: UUID) -> None:
        """Make a rate limited account whose cooldown is over active again."""
        async with self._db.transaction() as tx:
            account = await AccountRepository(tx.session).lock(account_id)
            if account is None or account.status is not AccountStatus.RATE_LIMITED:
                return
            if account.cooldown_until is None or account.cooldown_until <= datetime.now(UTC):
                await self._set_status(tx, account, AccountStatus.ACTIVE, None)
                tx.enqueue("dispatch", account.provider_id)

    async def _cool_down(
        self,
        tx: Transaction,
        account: ProviderAccount,
        seconds: float,
        status: AccountStatus | None,
    ) -> None:
        wait = min(max(seconds, MIN_COOLDOWN_S), MAX_COOLDOWN_S)
        until = datetime.now(UTC) + timedelta(seconds=wait)
        account = await self._updated(
            AccountRepository(tx.session), account.id, cooldown_until=until
        )
        if status is not None:
            await self._set_status(tx, account, status, "The provider asked to wait.")
            tx.enqueue("end_cooldown", str(account.id), delay_s=wait + 0.1)
        tx.enqueue("dispatch", account.provider_id, delay_s=wait + 0.1)

    # --- the pool as people manage it ---

    async def create_account(
        self,
        owner: User | None,
        provider_id: str,
        name: str,
        credentials: Mapping[str, str],
        *,
        main_secret: str = "",
        base_url: str | None = None,
        is_shared: bool = False,
        priority: int = 50,
        max_concurrent_jobs: int = 1,
        max_daily_credits: Decimal | None = None,
        credits: Decimal | None = None,
    ) -> ProviderAccount:
        """Add an account. The credentials are sealed to this row and can never be read back."""
        async with self._db.transaction() as tx:
            accounts = AccountRepository(tx.session)
            if owner is not None:
                await self._check_account_quota(tx, owner)
            account = await accounts.add(
                ProviderAccount(
                    provider_id=provider_id,
                    user_id=None if owner is None else owner.id,
                    name=name,
                    base_url=base_url,
                    is_shared=is_shared,
                    priority=priority,
                    max_concurrent_jobs=max_concurrent_jobs,
                    max_daily_credits=max_daily_credits,
                    credits=credits,
                )
            )
            account = await self._seal(accounts, account, credentials, main_secret)
            self._publish(tx, "account:created", account, {"name": name})
            tx.enqueue("sync_account", str(account.id))
            tx.enqueue("dispatch", provider_id)
            return account

    async def _check_account_quota(self, tx: Transaction, owner: User) -> None:
        # The lock makes two parallel creates count one after the other.
        user = await UserRepository(tx.session).lock(owner.id)
        if user is None or user.max_accounts is None:
            return
        if await AccountRepository(tx.session).count_owned(user.id) >= user.max_accounts:
            raise QuotaExceeded(f"You may own at most {user.max_accounts} provider accounts.")

    async def _seal(
        self,
        accounts: AccountRepository,
        account: ProviderAccount,
        credentials: Mapping[str, str],
        main_secret: str,
    ) -> ProviderAccount:
        if not credentials:
            return account
        version = account.credentials_version + 1
        sealed = self._cipher.seal(credentials, _aad(account, version))
        return await self._updated(
            accounts,
            account.id,
            credentials_sealed=sealed,
            credentials_version=version,
            credentials_hint=main_secret[-4:] if len(main_secret) >= 12 else "",
        )

    async def replace_credentials(
        self, account_id: UUID, user: User, credentials: Mapping[str, str], main_secret: str
    ) -> ProviderAccount:
        """Put new credentials in place of the old; a faulty account gets another chance."""
        async with self._db.transaction() as tx:
            accounts = AccountRepository(tx.session)
            account = await self.get_account_for_owner(account_id, user)
            account = await self._seal(accounts, account, credentials, main_secret)
            if account.status is AccountStatus.ERROR:
                account = await self._set_status(tx, account, AccountStatus.ACTIVE, None)
            self._publish(tx, "account:updated", account, {"credentials": "replaced"})
            tx.enqueue("sync_account", str(account.id))
            tx.enqueue("dispatch", account.provider_id)
            return account

    def open_credentials(self, account: ProviderAccount) -> dict[str, str]:
        """The plain credentials, for the adapter's call only. Never log or return them."""
        if account.credentials_sealed is None:
            return {}
        aad = _aad(account, account.credentials_version)
        return self._cipher.open(account.credentials_sealed, aad)

    async def get_account(self, account_id: UUID) -> ProviderAccount:
        """Any account, for the system's own work."""
        async with self._db.transaction() as tx:
            account = await AccountRepository(tx.session).find(account_id)
        if account is None:
            raise AccountNotFound("There is no such account.")
        return account

    async def get_account_for_user(self, account_id: UUID, user: User) -> ProviderAccount:
        """An account that the person may use; another is as unknown as none."""
        async with self._db.transaction() as tx:
            accounts = AccountRepository(tx.session)
            account = await accounts.find(account_id)
            visible = user.role is UserRole.ADMIN or await accounts.is_visible(account_id, user.id)
        if account is None or account.removed_at is not None or not visible:
            raise AccountNotFound("There is no such account.")
        return account

    async def get_account_for_owner(self, account_id: UUID, user: User) -> ProviderAccount:
        """An account that the person may change."""
        account = await self.get_account_for_user(account_id, user)
        if user.role is not UserRole.ADMIN and account.user_id != user.id:
            raise Forbidden("Only its owner or an administrator may change this account.")
        return account

    async def list_accounts(self, user: User) -> Sequence[ProviderAccount]:
        """All that the person may use; an administrator sees every account."""
        everyone = user.role is UserRole.ADMIN
        async with self._db.transaction() as tx:
            return await AccountRepository(tx.session).list_visible(None if everyone else user.id)

    async def loads(self, accounts: Sequence[ProviderAccount]) -> dict[UUID, AccountLoad]:
        """What is in use now on the given accounts."""
        by_provider: dict[str, list[UUID]] = {}
        for account in accounts:
            by_provider.setdefault(account.provider_id, []).append(account.id)
        found: dict[UUID, AccountLoad] = {}
        async with self._db.transaction() as tx:
            repository = AccountRepository(tx.session)
            for provider_id, ids in by_provider.items():
                for load in await repository.load(provider_id, account_ids=ids, limit=len(ids)):
                    found[load.account.id] = load
        return found

    async def days(
        self, accounts: Sequence[ProviderAccount], days: int
    ) -> dict[UUID, list[AccountDay]]:
        """What each account did on each of the last days (UTC), oldest first, none left out."""
        today = datetime.now(UTC).date()
        wanted = [today - timedelta(days=age) for age in reversed(range(days))]
        ids = [account.id for account in accounts]
        async with self._db.transaction() as tx:
            found = await AccountRepository(tx.session).days(ids, days)
        return {id: filled(found.get(id, []), wanted) for id in ids}

    async def errors(self, account_id: UUID, user: User, days: int = 30) -> list[AccountErrors]:
        """What failed on an account that the person may change, by cause."""
        await self.get_account_for_owner(account_id, user)
        async with self._db.transaction() as tx:
            return await AccountRepository(tx.session).errors(account_id, days)

    async def update_account(
        self, account_id: UUID, user: User, changes: Mapping[str, Any]
    ) -> ProviderAccount:
        """Change name, sharing, priority, limits, or switch it on and off.

        A lower limit never interrupts what runs: surplus slots drain.
        """
        values = dict(changes)
        enabled = values.pop("is_enabled", None)
        async with self._db.transaction() as tx:
            accounts = AccountRepository(tx.session)
            account = await self.get_account_for_owner(account_id, user)
            if values.get("is_shared") is False and account.user_id is None:
                raise InvalidInput(
                    "An account of the house has no owner it could be private to.",
                    fields=[FieldProblem("is_shared", "must stay true", [True])],
                )
            account = await self._locked(accounts, account_id)
            if values:
                account = await self._updated(accounts, account_id, **values)
            if enabled is False:
                account = await self._set_status(
                    tx, account, AccountStatus.DISABLED, "Switched off by a person."
                )
            elif enabled is True:
                account = await self._set_status(tx, account, AccountStatus.ACTIVE, None)
            self._publish(tx, "account:updated", account, {"changed": sorted(changes)})
            tx.enqueue("dispatch", account.provider_id)
            return account

    async def grant(self, account_id: UUID, owner: User, user_id: UUID, *, allow: bool) -> None:
        """Let another person use a private account, or no longer."""
        async with self._db.transaction() as tx:
            account = await self.get_account_for_owner(account_id, owner)
            if allow and await UserRepository(tx.session).find(user_id) is None:
                raise InvalidInput(
                    "There is no such person.", fields=[FieldProblem("user_id", "is unknown")]
                )
            accounts = AccountRepository(tx.session)
            if allow:
                await accounts.grant(account_id, user_id)
            else:
                await accounts.revoke_grant(account_id, user_id)
            self._publish(tx, "account:updated", account, {"changed": ["grants"]})
            tx.enqueue("dispatch", account.provider_id)

    async def delete_account(self, account_id: UUID, user: User) -> None:
        """Remove an account. One with history keeps its row, unseen and without credentials."""
        async with self._db.transaction() as tx:
            accounts = AccountRepository(tx.session)
            await self.get_account_for_owner(account_id, user)
            account = await self._locked(accounts, account_id)
            if await accounts.is_in_use(account_id):
                raise AccountInUse("Work is under way on this account; disable it and wait.")
            self._publish(tx, "account:deleted", account, {"name": account.name})
            if not await accounts.has_history(account_id):
                await accounts.delete(account_id)
                return
            await self._set_status(tx, account, AccountStatus.DISABLED, "Removed.")
            await self._updated(
                accounts,
                account_id,
                credentials_sealed=None,
                credentials_hint="",
                is_shared=account.user_id is None,
                removed_at=datetime.now(UTC),
            )

    async def clear_error(self, account_id: UUID) -> None:
        """A test of the key went well: a faulty account is active again."""
        async with self._db.transaction() as tx:
            account = await self._locked(AccountRepository(tx.session), account_id)
            if account.status is AccountStatus.ERROR:
                await self._set_status(tx, account, AccountStatus.ACTIVE, None)
                tx.enqueue("dispatch", account.provider_id)

    # --- pieces ---

    async def _locked(self, accounts: AccountRepository, account_id: UUID) -> ProviderAccount:
        account = await accounts.lock(account_id)
        if account is None:
            raise AccountNotFound("There is no such account.")
        return account

    async def _updated(
        self, accounts: AccountRepository, account_id: UUID, **values: Any
    ) -> ProviderAccount:
        account = await accounts.update(account_id, **values)
        if account is None:
            raise AccountNotFound("There is no such account.")
        return account

    async def _set_status(
        self,
        tx: Transaction,
        account: ProviderAccount,
        status: AccountStatus,
        reason: str | None,
    ) -> ProviderAccount:
        """Move to `status` where that is legal; the same status, or an illegal edge, stays."""
        values: dict[str, Any] = {"cooldown_until": None} if status is AccountStatus.ACTIVE else {}
        changed = await transition(
            tx.session,
            ProviderAccount,
            ACCOUNT_STATUS,
            account.id,
            status,
            status_reason=None if reason is None else reason[:500],
            **values,
        )
        if changed is None:
            return account
        self._publish(tx, "account:status", changed, {"status": status.value, "reason": reason})
        return changed

    def _publish(
        self, tx: Transaction, type: str, account: ProviderAccount, data: Mapping[str, Any]
    ) -> None:
        tx.publish(type, user_id=account.user_id, account_id=account.id, data=data)


def _aad(account: ProviderAccount, version: int) -> str:
    """Binds a ciphertext to its row, owner and version: swapped between rows it does not open."""
    return credential_aad(
        "provider_accounts", account.id, "credentials_sealed", account.user_id, version
    )
