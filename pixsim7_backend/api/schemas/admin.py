"""What administrators see of the installation."""

from typing import Any

from pydantic import Field

from pixsim7_backend.api.schemas.base import Out
from pixsim7_backend.api.schemas.job import JobCounts
from pixsim7_backend.api.schemas.provider import Availability


class Health(Out):
    """Each component is `ok`, or a sentence."""

    status: str = Field(examples=["ok"])
    components: dict[str, str] = Field(default_factory=dict)


class ProviderOverview(Out):
    provider_id: str
    name: str
    accounts_by_status: dict[str, int]
    availability: Availability


class Overview(Out):
    health: Health
    jobs: JobCounts
    providers: list[ProviderOverview]


class SettingsRead(Out):
    """The settings in force. Secrets are not among them, nor passwords inside of URLs."""

    settings: dict[str, Any]
