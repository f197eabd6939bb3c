"""What administrators look at."""

from collections import Counter
from urllib.parse import urlsplit, urlunsplit

from fastapi import APIRouter

from pixsim7_backend.api.availability import availability_of, loads_of
from pixsim7_backend.api.dependencies import (
    AccountSvc,
    AdminsOnly,
    AdminUser,
    ContainerDep,
    JobSvc,
    RegistryDep,
    SettingsDep,
)
from pixsim7_backend.api.errors import problems
from pixsim7_backend.api.schemas.admin import Health, Overview, ProviderOverview, SettingsRead
from pixsim7_backend.api.schemas.job import JobCounts
from pixsim7_backend.infrastructure.database.repositories.account import AccountLoad

router = APIRouter(prefix="/admin", tags=["admin"], responses=problems(AdminsOnly))


@router.get("/overview", name="overview")
async def get_overview(
    admin: AdminUser,
    container: ContainerDep,
    jobs: JobSvc,
    accounts: AccountSvc,
    registry: RegistryDep,
) -> Overview:
    """Health, work and accounts of the whole installation."""
    components = await container.is_ready()
    loads = await loads_of(accounts, admin)
    return Overview(
        health=health_of(components),
        jobs=JobCounts.model_validate(await jobs.count_jobs(admin, all_users=True)),
        providers=[
            _provider(provider_id, registry.adapter(provider_id).manifest.name, loads)
            for provider_id in registry.ids()
        ],
    )


def _provider(provider_id: str, name: str, loads: list[AccountLoad]) -> ProviderOverview:
    own = [load for load in loads if load.account.provider_id == provider_id]
    return ProviderOverview(
        provider_id=provider_id,
        name=name,
        accounts_by_status=dict(Counter(load.account.status.value for load in own)),
        availability=availability_of(own),
    )


def health_of(components: dict[str, str]) -> Health:
    is_well = all(state == "ok" for state in components.values())
    return Health(status="ok" if is_well else "unwell", components=components)


@router.get("/settings", name="settings")
async def get_settings(admin: AdminUser, settings: SettingsDep) -> SettingsRead:
    """The settings in force, without passwords."""
    values = settings.model_dump(mode="json")
    shown = {
        name: _without_password(value) if name.endswith("_url") and value else value
        for name, value in values.items()
    }
    return SettingsRead(settings=shown)


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))
