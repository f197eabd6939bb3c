"""Provider accounts. Their credentials come in and never go out."""

from collections.abc import Mapping
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
    AccountList,
    AccountRead,
    AccountTest,
    AccountUpdate,
    CreditsUpdate,
    Grant,
)
from pixsim7_backend.domain.account import AccountInUse, AccountNotFound, ProviderAccount
from pixsim7_backend.domain.provider import (
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


async def _read(accounts: AccountService, account: ProviderAccount, user: User) -> AccountRead:
    loads = await accounts.loads([account])
    return AccountRead.of(account, loads.get(account.id), user)


@router.get("", name="list")
async def list_accounts(user: CurrentUser, accounts: AccountSvc) -> AccountList:
    """Those that you may use; administrators see all."""
    loads = await loads_of(accounts, user)
    return AccountList(items=[AccountRead.of(load.account, load, user) for load in loads])


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
async def get_account(account_id: UUID, user: CurrentUser, accounts: AccountSvc) -> AccountRead:
    return await _read(accounts, await accounts.get_account_for_user(account_id, user), user)


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


@router.post("/{account_id}/test", name="test", responses=problems(AccountNotFound, Forbidden))
async def test_account(
    account_id: UUID, user: Manager, accounts: AccountSvc, providers: ProviderSvc
) -> AccountTest:
    """Ask the provider for the balance: shows whether the key works. Costs nothing."""
    account = await accounts.get_account_for_owner(account_id, user)
    try:
        balance = await providers.sync_balance(account_id)
    except ProviderError as error:
        return AccountTest(ok=False, message=error.message, credits=None)
    except HttpNotSent as error:
        return AccountTest(ok=False, message=f"It cannot be reached: {error}", credits=None)
    except HttpUncertain:
        return AccountTest(ok=False, message="The provider gave no answer.", credits=None)
    except CredentialsUnreadable:
        message = "The stored credentials cannot be opened any more; enter them again."
        return AccountTest(ok=False, message=message, credits=None)
    if balance is not None:
        return AccountTest(ok=True, message="The key works.", credits=balance.credits)
    return _untested(providers.registry.adapter(account.provider_id).manifest, account)


def _untested(manifest: ProviderManifest, account: ProviderAccount) -> AccountTest:
    if manifest.credential_fields and account.credentials_sealed is None:
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
