"""What administrators look at."""

from collections import Counter
from typing import Annotated
from urllib.parse import urlsplit, urlunsplit

from fastapi import APIRouter, Query

from pixsim7_backend.api.availability import availability_of, loads_of
from pixsim7_backend.api.dependencies import (
    AccountSvc,
    AdminsOnly,
    AdminUser,
    ContainerDep,
    JobSvc,
    RegistryDep,
    ServicesDep,
    SettingsDep,
    UserSvc,
)
from pixsim7_backend.api.errors import problems
from pixsim7_backend.api.schemas.admin import (
    EventPage,
    EventQuery,
    EventTypeList,
    EventTypeRead,
    Health,
    HealthReportRead,
    Overview,
    ProviderOverview,
    SettingsRead,
    UsageQuery,
    UsageReportRead,
    UsageRowRead,
)
from pixsim7_backend.api.schemas.job import JobCounts
from pixsim7_backend.api.schemas.user import QuotasRead
from pixsim7_backend.domain.event import EVENT_TYPES
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


@router.get("/health", name="health")
async def get_health(admin: AdminUser, services: ServicesDep) -> HealthReportRead:
    """Every check with what to do about it, the queue, the workers and the versions."""
    return HealthReportRead.model_validate(await services.health.report())


@router.get("/events", name="events")
async def list_events(
    query: Annotated[EventQuery, Query()], admin: AdminUser, services: ServicesDep
) -> EventPage:
    """Everything that happened, newest first; the words of others are left out."""
    return EventPage.model_validate(await services.audit.list_events(admin, **query.model_dump()))


@router.get("/event-types", name="event_types")
async def list_event_types(admin: AdminUser) -> EventTypeList:
    """Every event type and what it tells."""
    return EventTypeList(
        items=[EventTypeRead(type=name, description=words) for name, words in EVENT_TYPES.items()]
    )


@router.get("/usage", name="usage")
async def get_usage(
    query: Annotated[UsageQuery, Query()], admin: AdminUser, services: ServicesDep
) -> UsageReportRead:
    """What was made and spent, added up by day, person, provider or account."""
    found = await services.usage.report(query.group, query.first, query.last)
    return UsageReportRead(
        first=found.first,
        last=found.last,
        group=found.group,
        rows=[UsageRowRead.of(row) for row in found.rows],
        total=UsageRowRead.of(found.total),
    )


@router.get("/quotas", name="quotas")
async def get_default_quotas(admin: AdminUser, users: UserSvc) -> QuotasRead:
    """What a new person gets; set by PIXSIM7_DEFAULT_…"""
    return QuotasRead.model_validate(users.default_quotas)


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
