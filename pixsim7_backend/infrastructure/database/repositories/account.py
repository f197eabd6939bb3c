"""Provider accounts and reservations in SQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Date,
    Text,
    and_,
    cast,
    delete,
    exists,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession

from pixsim7_backend.domain.account import AccountGrant, ProviderAccount, Reservation
from pixsim7_backend.domain.submission import (
    HOLDING_STATES,
    UNRESOLVED_STATES,
    ProviderSubmission,
)
from pixsim7_backend.domain.vocabulary import (
    AccountStatus,
    ErrorKind,
    OperationType,
    SubmissionState,
)
from pixsim7_backend.shared.ids import new_id


@dataclass(frozen=True, slots=True)
class AccountLoad:
    """An account and what is in use on it now."""

    account: ProviderAccount
    slots_used: int
    credits_held: Decimal
    credits_today: Decimal
    doubtful_operations: frozenset[OperationType]
    granted_to: frozenset[UUID]
    is_cooling: bool


@dataclass(frozen=True, slots=True)
class AccountDay:
    """What one account did on one UTC day."""

    day: date
    jobs: int = 0
    successes: int = 0
    failures: int = 0
    credits: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class AccountErrors:
    """Attempts that failed for one cause."""

    cause: ErrorKind | None
    code: str | None
    sentence: str
    count: int
    last_at: datetime


_SUCCEEDED = (SubmissionState.COMPLETED_REMOTE, SubmissionState.FETCHED)
_FAILED = (
    SubmissionState.FAILED_REMOTE,
    SubmissionState.REJECTED,
    SubmissionState.RESULT_LOST,
    SubmissionState.CLOSED_UNKNOWN,
)


@dataclass(frozen=True, slots=True)
class SlotRequest:
    """A slot wanted on an account that the caller has locked."""

    account_id: UUID
    credits: Decimal
    submission_id: UUID | None
    expires_at: datetime | None = None


_RESERVE = text(
    """
    WITH wanted AS (
        SELECT w.*, row_number() OVER (PARTITION BY w.account_id ORDER BY w.id) AS nth
        FROM unnest(
            CAST(:ids AS uuid[]), CAST(:accounts AS uuid[]), CAST(:credits AS numeric[]),
            CAST(:submissions AS uuid[]), CAST(:expiries AS timestamptz[])
        ) AS w(id, account_id, credits, submission_id, expires_at)
    ), free AS (
        SELECT a.id AS account_id, slot.no,
               row_number() OVER (PARTITION BY a.id ORDER BY slot.no) AS nth,
               -- slots above a lowered limit count until they have drained
               a.max_concurrent_jobs - (
                   SELECT count(*) FROM reservations r WHERE r.account_id = a.id
               ) AS room
        FROM provider_accounts a
        CROSS JOIN LATERAL generate_series(1, a.max_concurrent_jobs) AS slot(no)
        WHERE a.id = ANY(CAST(:accounts AS uuid[]))
          AND NOT EXISTS (
              SELECT 1 FROM reservations r WHERE r.account_id = a.id AND r.slot_no = slot.no
          )
    )
    INSERT INTO reservations (id, account_id, slot_no, credits_held, submission_id, expires_at)
    SELECT w.id, w.account_id, f.no, w.credits, w.submission_id, w.expires_at
    FROM wanted w
    JOIN free f ON f.account_id = w.account_id AND f.nth = w.nth AND f.nth <= f.room
    RETURNING id
    """
)


class AccountRepository:
    """Rows of `provider_accounts` and `reservations`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, account: ProviderAccount) -> ProviderAccount:
        self._session.add(account)
        await self._session.flush()
        await self._session.refresh(account)
        return account

    async def find(self, account_id: UUID) -> ProviderAccount | None:
        return await self._session.get(ProviderAccount, account_id, populate_existing=True)

    async def lock(self, account_id: UUID) -> ProviderAccount | None:
        statement = (
            select(ProviderAccount)
            .where(ProviderAccount.id == account_id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def lock_many(self, account_ids: Sequence[UUID]) -> None:
        """Lock accounts in the order of their ids."""
        await self._session.execute(
            select(ProviderAccount.id)
            .where(ProviderAccount.id.in_(account_ids))
            .order_by(ProviderAccount.id)
            .with_for_update(key_share=True)
        )

    async def list_visible(self, user_id: UUID | None) -> Sequence[ProviderAccount]:
        """Accounts that the person may use; with None, all."""
        statement = select(ProviderAccount).order_by(ProviderAccount.priority, ProviderAccount.id)
        statement = statement.where(ProviderAccount.removed_at.is_(None))
        if user_id is not None:
            statement = statement.where(_visible_to([user_id]))
        return (await self._session.scalars(statement)).all()

    async def is_visible(self, account_id: UUID, user_id: UUID) -> bool:
        statement = select(
            exists().where(
                ProviderAccount.id == account_id,
                ProviderAccount.removed_at.is_(None),
                _visible_to([user_id]),
            )
        )
        return bool(await self._session.scalar(statement))

    async def count_owned(self, user_id: UUID) -> int:
        statement = select(func.count()).where(
            ProviderAccount.user_id == user_id, ProviderAccount.removed_at.is_(None)
        )
        return await self._session.scalar(statement) or 0

    async def count_house_accounts(self, provider_id: str | None = None) -> int:
        statement = select(func.count()).where(ProviderAccount.user_id.is_(None))
        if provider_id is not None:
            statement = statement.where(ProviderAccount.provider_id == provider_id)
        return await self._session.scalar(statement) or 0

    async def list_due_for_sync(self, providers: Sequence[str], older_than_s: float) -> list[UUID]:
        """Accounts whose balance was not read lately, and exhausted ones that may have refilled."""
        age = func.make_interval(0, 0, 0, 0, 0, 0, older_than_s)
        statement = select(ProviderAccount.id).where(
            ProviderAccount.provider_id.in_(providers),
            ProviderAccount.status != AccountStatus.DISABLED,
            or_(
                ProviderAccount.credits_synced_at.is_(None),
                ProviderAccount.credits_synced_at < func.now() - age,
            ),
        )
        return list(await self._session.scalars(statement))

    async def load(
        self,
        provider_id: str,
        *,
        account_ids: Sequence[UUID] | None = None,
        visible_to: Sequence[UUID] | None = None,
        only_free: bool = False,
        limit: int = 1000,
    ) -> list[AccountLoad]:
        """Accounts of a provider with what is in use on them, best first."""
        used = (
            select(func.count().label("slots"), func.sum(Reservation.credits_held).label("held"))
            .where(Reservation.account_id == ProviderAccount.id)
            .lateral("used")
        )
        doubts = (
            select(func.array_agg(ProviderSubmission.operation_type))
            .where(
                ProviderSubmission.account_id == ProviderAccount.id,
                ProviderSubmission.state == SubmissionState.IN_DOUBT,
                ProviderSubmission.submission_class.in_(["C", "D"]),
            )
            .scalar_subquery()
        )
        grants = (
            select(func.array_agg(AccountGrant.user_id))
            .where(AccountGrant.account_id == ProviderAccount.id)
            .scalar_subquery()
        )
        statement = (
            select(
                ProviderAccount,
                used.c.slots,
                func.coalesce(used.c.held, 0),
                (func.coalesce(ProviderAccount.cooldown_until, func.now()) > func.now()),
                doubts,
                grants,
            )
            .join(used, text("true"))
            .where(ProviderAccount.provider_id == provider_id, ProviderAccount.removed_at.is_(None))
            .order_by(
                ProviderAccount.priority,
                ProviderAccount.consecutive_failures,
                ProviderAccount.last_used_at.asc().nulls_first(),
                ProviderAccount.credits.desc().nulls_first(),
                ProviderAccount.id,
            )
            .limit(limit)
            .execution_options(populate_existing=True)
        )
        if account_ids is not None:
            statement = statement.where(ProviderAccount.id.in_(account_ids))
        if visible_to is not None:
            statement = statement.where(_visible_to(visible_to))
        if only_free:
            statement = statement.where(
                used.c.slots < ProviderAccount.max_concurrent_jobs,
                ProviderAccount.status.in_([AccountStatus.ACTIVE, AccountStatus.RATE_LIMITED]),
                or_(
                    ProviderAccount.cooldown_until.is_(None),
                    ProviderAccount.cooldown_until <= func.now(),
                ),
            )
        rows = (await self._session.execute(statement)).all()
        capped = [row[0].id for row in rows if row[0].max_daily_credits is not None]
        today = await self._credits_today(capped) if capped else {}
        return [
            AccountLoad(
                account=row[0],
                slots_used=row[1],
                credits_held=row[2],
                credits_today=today.get(row[0].id, Decimal(0)),
                doubtful_operations=frozenset(row[4] or ()),
                granted_to=frozenset(row[5] or ()),
                is_cooling=row[3],
            )
            for row in rows
        ]

    async def _credits_today(self, ids: Sequence[UUID]) -> dict[UUID, Decimal]:
        """What was spent, or is held to be spent, since midnight UTC."""
        spent = func.coalesce(
            ProviderSubmission.charged_credits, ProviderSubmission.estimated_credits
        )
        statement = (
            select(ProviderSubmission.account_id, func.sum(spent))
            .where(
                ProviderSubmission.account_id.in_(ids),
                ProviderSubmission.reserved_at >= func.date_trunc("day", func.now(), "UTC"),
                ProviderSubmission.state.not_in(
                    [SubmissionState.ABANDONED, SubmissionState.REJECTED]
                ),
            )
            .group_by(ProviderSubmission.account_id)
        )
        return {row[0]: row[1] for row in await self._session.execute(statement)}

    async def days(self, ids: Sequence[UUID], days: int) -> dict[UUID, list[AccountDay]]:
        """The last days (UTC, today included) of each account, without idle ones."""
        day = cast(func.timezone("UTC", ProviderSubmission.reserved_at), Date).label("day")
        first = func.date_trunc("day", func.now(), "UTC") - timedelta(days=days - 1)
        state = ProviderSubmission.state
        statement = (
            select(
                ProviderSubmission.account_id,
                day,
                func.count(),
                func.count().filter(state.in_(_SUCCEEDED)),
                func.count().filter(state.in_(_FAILED)),
                func.coalesce(func.sum(ProviderSubmission.charged_credits), 0),
            )
            .where(
                ProviderSubmission.account_id.in_(ids),
                ProviderSubmission.reserved_at >= first,
                state != SubmissionState.ABANDONED,
            )
            .group_by(ProviderSubmission.account_id, day)
            .order_by(day)
        )
        found: dict[UUID, list[AccountDay]] = {}
        for row in await self._session.execute(statement):
            found.setdefault(row[0], []).append(
                AccountDay(row[1], row[2], row[3], row[4], row[5] or Decimal(0))
            )
        return found

    async def errors(self, account_id: UUID, days: int) -> list[AccountErrors]:
        """What failed in the last days, by cause, most first."""
        last = func.max(ProviderSubmission.finished_at)
        sentences = func.array_agg(
            aggregate_order_by(
                ProviderSubmission.error_message, ProviderSubmission.finished_at.desc()
            ),
            type_=ARRAY(Text),
        )
        statement = (
            select(
                ProviderSubmission.error_kind,
                ProviderSubmission.error_code,
                sentences[1],
                func.count(),
                last,
            )
            .where(
                ProviderSubmission.account_id == account_id,
                ProviderSubmission.reserved_at >= func.now() - timedelta(days=days),
                ProviderSubmission.state.in_(_FAILED),
                ProviderSubmission.finished_at.is_not(None),
            )
            .group_by(ProviderSubmission.error_kind, ProviderSubmission.error_code)
            .order_by(func.count().desc(), last.desc())
            .limit(50)
        )
        return [
            AccountErrors(kind, code, sentence or "", count, at)
            for kind, code, sentence, count, at in await self._session.execute(statement)
            if at is not None
        ]

    async def update(self, account_id: UUID, **values: Any) -> ProviderAccount | None:
        statement = (
            update(ProviderAccount)
            .where(ProviderAccount.id == account_id)
            .values(**values)
            .returning(ProviderAccount)
            .execution_options(populate_existing=True, synchronize_session=False)
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def count_success(self, account_id: UUID, seconds: float | None, weight: float) -> bool:
        """One more success; the mean time moves towards `seconds`. False: no such account."""
        mean = ProviderAccount.avg_generation_time_sec
        values: dict[str, Any] = {
            "success_count": ProviderAccount.success_count + 1,
            "consecutive_failures": 0,
            "last_success_at": func.now(),
        }
        if seconds is not None:
            values["avg_generation_time_sec"] = func.coalesce(
                mean + weight * (seconds - mean), seconds
            )
        statement = (
            update(ProviderAccount)
            .where(ProviderAccount.id == account_id)
            .values(values)
            .returning(ProviderAccount.id)
            .execution_options(synchronize_session=False)
        )
        return (await self._session.scalar(statement)) is not None

    async def mark_used(self, account_ids: Sequence[UUID]) -> None:
        await self._session.execute(
            update(ProviderAccount)
            .where(ProviderAccount.id.in_(account_ids))
            .values(last_used_at=func.clock_timestamp())
            .execution_options(synchronize_session=False)
        )

    async def delete(self, account_id: UUID) -> None:
        await self._session.execute(delete(ProviderAccount).where(ProviderAccount.id == account_id))

    async def has_history(self, account_id: UUID) -> bool:
        statement = select(exists().where(ProviderSubmission.account_id == account_id))
        return bool(await self._session.scalar(statement))

    # --- reservations ---

    async def reserve(self, requests: Sequence[SlotRequest]) -> list[UUID]:
        """Take the lowest free slots of locked accounts; returns the ids of the rows made.

        Fewer rows than requests means that slots ran out.
        """
        result = await self._session.execute(
            _RESERVE,
            {
                "ids": [new_id() for _ in requests],
                "accounts": [request.account_id for request in requests],
                "credits": [request.credits for request in requests],
                "submissions": [request.submission_id for request in requests],
                "expiries": [request.expires_at for request in requests],
            },
        )
        return [row[0] for row in result]

    async def adopt_reservation(
        self, account_id: UUID, submission_id: UUID, credits: Decimal
    ) -> bool:
        """Give the oldest hand-made reservation of the account to a submission."""
        oldest = (
            select(Reservation.id)
            .where(
                Reservation.account_id == account_id,
                Reservation.submission_id.is_(None),
                Reservation.expires_at > func.now(),
            )
            .order_by(Reservation.created_at)
            .limit(1)
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
        statement = (
            update(Reservation)
            .where(Reservation.id == oldest)
            .values(
                submission_id=submission_id,
                expires_at=None,
                credits_held=func.greatest(Reservation.credits_held, credits),
            )
            .returning(Reservation.id)
            .execution_options(synchronize_session=False)
        )
        return (await self._session.scalar(statement)) is not None

    async def release_submission(self, submission_id: UUID) -> Reservation | None:
        """Give the slot and the hold of a submission back; None when there was none."""
        statement = (
            delete(Reservation)
            .where(Reservation.submission_id == submission_id)
            .returning(Reservation)
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def release_unadopted(self, account_id: UUID) -> bool:
        """Give the oldest hand-made reservation of the account back."""
        oldest = (
            select(Reservation.id)
            .where(Reservation.account_id == account_id, Reservation.submission_id.is_(None))
            .order_by(Reservation.created_at)
            .limit(1)
            .scalar_subquery()
        )
        statement = delete(Reservation).where(Reservation.id == oldest).returning(Reservation.id)
        return (await self._session.scalar(statement)) is not None

    async def release_lapsed(self) -> list[UUID]:
        """Delete hand-made reservations whose time is over; returns their accounts."""
        statement = (
            delete(Reservation)
            .where(Reservation.submission_id.is_(None), Reservation.expires_at < func.now())
            .returning(Reservation.account_id)
        )
        return list(await self._session.scalars(statement))

    async def is_in_use(self, account_id: UUID) -> bool:
        """Whether something is reserved on it, or a result has still to come home from it."""
        statement = select(
            exists().where(Reservation.account_id == account_id)
            | exists().where(
                ProviderSubmission.account_id == account_id,
                ProviderSubmission.state.in_(UNRESOLVED_STATES),
            )
        )
        return bool(await self._session.scalar(statement))

    async def count_leaked_reservations(self) -> int:
        """Slots whose submission needs none any more; always zero."""
        statement = (
            select(func.count())
            .select_from(Reservation)
            .join(ProviderSubmission, ProviderSubmission.id == Reservation.submission_id)
            .where(ProviderSubmission.state.not_in(HOLDING_STATES))
        )
        return await self._session.scalar(statement) or 0

    async def drop_holds_seen_by_balance(self, account_id: UUID, sync_started_at: datetime) -> None:
        """A balance read after acceptance contains the charge: holding it too would count twice."""
        charged = select(ProviderSubmission.id).where(
            ProviderSubmission.account_id == account_id,
            ProviderSubmission.accepted_at < sync_started_at,
        )
        await self._session.execute(
            update(Reservation)
            .where(Reservation.account_id == account_id, Reservation.submission_id.in_(charged))
            .values(credits_held=Decimal(0))
            .execution_options(synchronize_session=False)
        )

    # --- grants ---

    async def grant(self, account_id: UUID, user_id: UUID) -> None:
        await self._session.merge(AccountGrant(account_id=account_id, user_id=user_id))
        await self._session.flush()

    async def revoke_grant(self, account_id: UUID, user_id: UUID) -> None:
        await self._session.execute(
            delete(AccountGrant).where(
                AccountGrant.account_id == account_id, AccountGrant.user_id == user_id
            )
        )


def _visible_to(user_ids: Sequence[UUID]) -> ColumnElement[bool]:
    granted = exists().where(
        and_(AccountGrant.account_id == ProviderAccount.id, AccountGrant.user_id.in_(user_ids))
    )
    return or_(ProviderAccount.is_shared, ProviderAccount.user_id.in_(user_ids), granted)
