"""What was made and spent over a span of days."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

from pixsim7_backend.infrastructure.database.engine import Database
from pixsim7_backend.infrastructure.database.repositories.statistics import (
    StatisticsRepository,
    UsageGroup,
    UsageRow,
)
from pixsim7_backend.services.provider.registry import ProviderRegistry
from pixsim7_backend.shared.errors import FieldProblem, InvalidInput

MAX_DAYS = 366


@dataclass(frozen=True, slots=True)
class UsageReport:
    """Both days are included; days are of UTC."""

    first: date
    last: date
    group: UsageGroup
    rows: Sequence[UsageRow]
    total: UsageRow


class UsageReporter:
    """Reads only."""

    def __init__(self, database: Database, registry: ProviderRegistry) -> None:
        self._db = database
        self._registry = registry

    async def report(self, group: UsageGroup, first: date | None, last: date | None) -> UsageReport:
        """The last 30 days unless told otherwise; at most 366."""
        last = last or datetime.now(UTC).date()
        first = first or last - timedelta(days=29)
        if not 0 <= (last - first).days < MAX_DAYS:
            problem = FieldProblem("from", f"must be at most {MAX_DAYS} days before `to`")
            raise InvalidInput("This span of days cannot be reported on.", fields=[problem])
        start = datetime.combine(first, time(), UTC)
        end = datetime.combine(last + timedelta(days=1), time(), UTC)
        async with self._db.transaction() as tx:
            statistics = StatisticsRepository(tx.session)
            rows = await statistics.usage(group, start, end)
            total = await statistics.usage_total(group, start, end)
        if group is UsageGroup.PROVIDER:
            rows = [replace(row, label=self._name(row.key)) for row in rows]
        return UsageReport(first, last, group, rows, total)

    def _name(self, provider_id: str) -> str:
        known = provider_id in self._registry.ids()
        return self._registry.adapter(provider_id).manifest.name if known else provider_id
