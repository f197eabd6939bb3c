"""Providers, what they offer, and what could run now."""

from fastapi import APIRouter

from pixsim7_backend.api.availability import availability_by_provider, availability_of
from pixsim7_backend.api.dependencies import AccountSvc, CurrentUser, RegistryDep
from pixsim7_backend.api.errors import problems
from pixsim7_backend.api.schemas.provider import (
    Availability,
    OperationList,
    OperationRead,
    ProviderList,
    ProviderRead,
)
from pixsim7_backend.domain.provider import ProviderAdapter
from pixsim7_backend.services.provider.registry import ProviderNotFound

router = APIRouter(tags=["providers"])
_NONE = availability_of([])


@router.get("/providers", name="list")
async def list_providers(
    user: CurrentUser, registry: RegistryDep, accounts: AccountSvc
) -> ProviderList:
    """Every provider of this installation."""
    found = await availability_by_provider(accounts, user)
    adapters = [registry.adapter(provider_id) for provider_id in registry.ids()]
    return ProviderList(
        items=[
            ProviderRead.of(adapter.manifest, found.get(adapter.manifest.id, _NONE))
            for adapter in adapters
        ]
    )


@router.get("/providers/{provider_id}", name="get", responses=problems(ProviderNotFound))
async def get_provider(
    provider_id: str, user: CurrentUser, registry: RegistryDep, accounts: AccountSvc
) -> ProviderRead:
    adapter = registry.adapter(provider_id)
    found = await availability_by_provider(accounts, user)
    return ProviderRead.of(adapter.manifest, found.get(provider_id, _NONE))


@router.get(
    "/providers/{provider_id}/operations",
    name="list_operations",
    responses=problems(ProviderNotFound),
)
async def list_provider_operations(
    provider_id: str, user: CurrentUser, registry: RegistryDep, accounts: AccountSvc
) -> OperationList:
    """What one provider can make, with the JSON Schema of each operation's parameters."""
    adapter = registry.adapter(provider_id)
    found = await availability_by_provider(accounts, user)
    return OperationList(items=_operations(adapter, found.get(provider_id, _NONE)))


@router.get("/operations", name="list_all_operations")
async def list_operations(
    user: CurrentUser, registry: RegistryDep, accounts: AccountSvc
) -> OperationList:
    """Everything that can be made here, with what could run now."""
    found = await availability_by_provider(accounts, user)
    items = []
    for provider_id in registry.ids():
        items += _operations(registry.adapter(provider_id), found.get(provider_id, _NONE))
    return OperationList(items=items)


def _operations(adapter: ProviderAdapter, availability: Availability) -> list[OperationRead]:
    manifest = adapter.manifest
    return [
        OperationRead.of(manifest, manifest.operations[operation], availability)
        for operation in sorted(manifest.operations)
    ]
