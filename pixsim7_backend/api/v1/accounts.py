"""Provider accounts. Their credentials come in and never go out."""

from collections.abc import Awaitable, Mapping
from uuid import UUID

from fastapi import APIRouter
from pydantic import SecretStr

from pixsim7_backend.api.account_input import (
    InvalidAccount,
    checked_base_url,
    checked_credentials,
    manifest_of,
)
from pixsim7_backend.api.availability import loads_of
from pixsim7_backend.api.dependencies import (
    AccountSvc,
    AdminsOnly,
    CurrentUser,
    Manager,
    ProviderSvc,
    RegistryDep,
    SettingsDep,
)
from pixsim7_backend.api.errors import problems
from pixsim7_backend.api.schemas.account import (
    AccountCreate,
    AccountDetail,
    AccountList,
    AccountRead,
    AccountTest,
    AccountTrial,
    AccountUpdate,
    CreditsUpdate,
    Grant,
)
from pixsim7_backend.domain.account import AccountInUse, AccountNotFound, ProviderAccount
from pixsim7_backend.domain.provider import (
    Balance,
    HttpNotSent,
    HttpUncertain,
    ProviderError,
    ProviderManifest,
)
from pixsim7_backend.domain.user import QuotaExceeded, User
from pixsim7_backend.domain.vocabulary import UserRole
from pixsim7_backend.infrastructure.security.credentials import CredentialsUnreadable
from pixsim7_backend.services.account.account_service import AccountService
from pixsim7_backend.shared.errors import Forbidden

router = APIRouter(prefix="/accounts", tags=["accounts"])


LIST_DAYS, DETAIL_DAYS = 7, 30


async def _read(accounts: AccountService, account: ProviderAccount, user: User) -> AccountRead:
    loads = await accounts.loads([account])
    days = await accounts.days([account], LIST_DAYS)
    return AccountRead.of(loads[account.id], days[account.id], user)


@router.get("", name="list")
async def list_accounts(user: CurrentUser, accounts: AccountSvc) -> AccountList:
    """Those that you may use; administrators see all."""
    loads = await loads_of(accounts, user)
    days = await accounts.days([load.account for load in loads], LIST_DAYS)
    return AccountList(items=[AccountRead.of(load, days[load.account.id], user) for load in loads])


@router.post(
    "",
    name="create",
    status_code=201,
    responses=problems(InvalidAccount, AdminsOnly, QuotaExceeded),
)
async def create_account(
    body: AccountCreate,
    user: Manager,
    accounts: AccountSvc,
    registry: RegistryDep,
    settings: SettingsDep,
) -> AccountRead:
    """Add a key. It is sealed at once and can never be read back."""
    if body.is_house and user.role is not UserRole.ADMIN:
        raise AdminsOnly("Only administrators may add accounts of the house.")
    manifest = manifest_of(registry, body.provider_id)
    credentials, main_secret = checked_credentials(manifest, body.credentials)
    slots = body.max_concurrent_jobs
    account = await accounts.create_account(
        None if body.is_house else user,
        body.provider_id,
        body.name,
        credentials,
        main_secret=main_secret,
        base_url=checked_base_url(manifest, body.base_url, settings),
        is_shared=body.is_shared or body.is_house,
        priority=body.priority,
        max_concurrent_jobs=manifest.default_max_concurrent_jobs if slots is None else slots,
        max_daily_credits=body.max_daily_credits,
        credits=body.credits,
    )
    return await _read(accounts, account, user)


@router.get("/{account_id}", name="get", responses=problems(AccountNotFound))
async def get_account(account_id: UUID, user: CurrentUser, accounts: AccountSvc) -> AccountDetail:
    """With a month of days and errors, for those who may edit it."""
    account = await accounts.get_account_for_user(account_id, user)
    loads = await accounts.loads([account])
    days = await accounts.days([account], DETAIL_DAYS)
    shown = AccountRead.of(loads[account.id], days[account.id], user)
    errors = await accounts.errors(account_id, user, DETAIL_DAYS) if shown.may_edit else []
    return AccountDetail.model_validate({**shown.model_dump(), "errors": errors})


@router.patch(
    "/{account_id}",
    name="update",
    responses=problems(AccountNotFound, InvalidAccount, Forbidden),
)
async def update_account(
    account_id: UUID,
    body: AccountUpdate,
    user: Manager,
    accounts: AccountSvc,
    registry: RegistryDep,
) -> AccountRead:
    """Name, sharing, limits, on or off, and new credentials in place of the old."""
    changes = body.model_dump(exclude_unset=True, exclude={"credentials"})
    account = await accounts.get_account_for_owner(account_id, user)
    if "credentials" in body.model_fields_set:
        account = await _replace(accounts, registry, account, user, body.credentials)
    if changes:
        account = await accounts.update_account(account_id, user, changes)
    return await _read(accounts, account, user)


async def _replace(
    accounts: AccountService,
    registry: RegistryDep,
    account: ProviderAccount,
    user: User,
    given: Mapping[str, SecretStr],
) -> ProviderAccount:
    manifest = registry.adapter(account.provider_id).manifest
    credentials, main_secret = checked_credentials(manifest, given)
    return await accounts.replace_credentials(account.id, user, credentials, main_secret)


@router.delete(
    "/{account_id}",
    name="delete",
    status_code=204,
    responses=problems(AccountNotFound, AccountInUse, Forbidden),
)
async def delete_account(account_id: UUID, user: Manager, accounts: AccountSvc) -> None:
    """Remove it; its credentials are gone for good."""
    await accounts.delete_account(account_id, user)


@router.post("/test", name="try", responses=problems(InvalidAccount))
async def try_account(
    body: AccountTrial,
    user: Manager,
    registry: RegistryDep,
    providers: ProviderSvc,
    settings: SettingsDep,
) -> AccountTest:
    """Ask the provider for the balance with credentials that are not saved. Costs nothing."""
    manifest = manifest_of(registry, body.provider_id)
    credentials, _ = checked_credentials(manifest, body.credentials)
    base_url = checked_base_url(manifest, body.base_url, settings)
    trial = providers.try_credentials(body.provider_id, base_url, credentials)
    return await _tested(trial) or _untested(manifest, has_credentials=True)


@router.post("/{account_id}/test", name="test", responses=problems(AccountNotFound, Forbidden))
async def test_account(
    account_id: UUID, user: Manager, accounts: AccountSvc, providers: ProviderSvc
) -> AccountTest:
    """Ask the provider for the balance: shows whether the key works. Costs nothing."""
    account = await accounts.get_account_for_owner(account_id, user)
    manifest = providers.registry.adapter(account.provider_id).manifest
    has_credentials = account.credentials_sealed is not None
    tested = await _tested(providers.sync_balance(account_id))
    return tested or _untested(manifest, has_credentials=has_credentials)


async def _tested(look: Awaitable[Balance | None]) -> AccountTest | None:
    """What the look said; None when there is nothing to look at."""
    try:
        balance = await look
    except ProviderError as error:
        return AccountTest(ok=False, message=error.message, credits=None)
    except HttpNotSent as error:
        return AccountTest(ok=False, message=f"It cannot be reached: {error}", credits=None)
    except HttpUncertain:
        return AccountTest(ok=False, message="The provider gave no answer.", credits=None)
    except CredentialsUnreadable:
        message = "The stored credentials cannot be opened any more; enter them again."
        return AccountTest(ok=False, message=message, credits=None)
    if balance is None:
        return None
    return AccountTest(ok=True, message="The key works.", credits=balance.credits)


def _untested(manifest: ProviderManifest, *, has_credentials: bool) -> AccountTest:
    if manifest.credential_fields and not has_credentials:
        return AccountTest(ok=False, message="There are no credentials yet.", credits=None)
    if not manifest.credential_fields:
        return AccountTest(ok=True, message="It needs no key.", credits=None)
    message = "This provider has no free call to test a key with; the first job will show."
    return AccountTest(ok=True, message=message, credits=None)


@router.post(
    "/{account_id}/credits", name="set_credits", responses=problems(AccountNotFound, Forbidden)
)
async def set_credits(
    account_id: UUID, body: CreditsUpdate, user: Manager, accounts: AccountSvc
) -> AccountRead:
    """Say what the account can still spend, where the provider cannot be asked."""
    await accounts.get_account_for_owner(account_id, user)
    return await _read(accounts, await accounts.update_credits(account_id, body.credits), user)


@router.post(
    "/{account_id}/grants",
    name="grant",
    status_code=204,
    responses=problems(AccountNotFound, Forbidden),
)
async def grant_account(account_id: UUID, body: Grant, user: Manager, accounts: AccountSvc) -> None:
    """Let another person use this private account."""
    await accounts.grant(account_id, user, body.user_id, allow=True)


@router.delete(
    "/{account_id}/grants/{user_id}",
    name="revoke_grant",
    status_code=204,
    responses=problems(AccountNotFound, Forbidden),
)
async def revoke_grant(
    account_id: UUID, user_id: UUID, user: Manager, accounts: AccountSvc
) -> None:
    await accounts.grant(account_id, user, user_id, allow=False)
