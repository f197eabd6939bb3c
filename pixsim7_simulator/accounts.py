"""Accounts by API key: credits, concurrency slots, what they may use."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pixsim7_simulator.config import AccountSpec, WebhookSpec


@dataclass(frozen=True, slots=True)
class Taken:
    """Where the credits of one charge came from, so that a refund can put them back there."""

    monthly: int
    package: int


@dataclass(slots=True)
class Account:
    key: str
    account_id: int
    monthly: int
    package: int
    concurrent: int
    state: str
    templates: set[int] = field(default_factory=set)
    webhooks: dict[str, WebhookSpec] = field(default_factory=dict)
    running: int = 0
    peak: int = 0
    over_limit: int = 0

    @property
    def balance(self) -> int:
        return self.monthly + self.package

    def take(self, amount: int) -> Taken:
        """Monthly credits lapse, so they go first."""
        taken = Taken(min(amount, self.monthly), max(0, amount - self.monthly))
        self.monthly -= taken.monthly
        self.package -= taken.package
        return taken

    def give_back(self, taken: Taken) -> None:
        self.monthly += taken.monthly
        self.package += taken.package

    def occupy(self) -> None:
        self.running += 1
        self.peak = max(self.peak, self.running)

    def report(self) -> dict[str, object]:
        return {
            "key": self.key,
            "account_id": self.account_id,
            "monthly": self.monthly,
            "package": self.package,
            "balance": self.balance,
            "concurrent": self.concurrent,
            "state": self.state,
            "templates": sorted(self.templates),
            "webhooks": [hook.model_dump() for hook in self.webhooks.values()],
            "running": self.running,
            "peak": self.peak,
            "over_limit": self.over_limit,
        }


class Accounts:
    def __init__(self, specs: Iterable[AccountSpec]) -> None:
        self._by_key: dict[str, Account] = {}
        self._numbers = itertools.count(390_000_001)
        for spec in specs:
            self.put(spec)

    def __iter__(self) -> Iterator[Account]:
        return iter(self._by_key.values())

    def get(self, key: str | None) -> Account | None:
        return self._by_key.get(key) if key else None

    def put(self, spec: AccountSpec) -> Account:
        """Create the account, or replace it under the same key."""
        account = Account(
            key=spec.key,
            account_id=next(self._numbers),
            monthly=spec.monthly,
            package=spec.package + spec.credits,
            concurrent=spec.concurrent,
            state=spec.state,
            templates=set(spec.templates),
            webhooks={hook.id: hook for hook in spec.webhooks},
        )
        self._by_key[spec.key] = account
        return account

    def remove(self, key: str) -> bool:
        return self._by_key.pop(key, None) is not None

    def clear(self) -> None:
        self._by_key.clear()
