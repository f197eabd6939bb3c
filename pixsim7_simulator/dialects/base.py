"""What every dialect is made of: endpoints that answer calls, and the shape of a refusal."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiohttp import web

from pixsim7_simulator.accounts import Account
from pixsim7_simulator.faults import Action
from pixsim7_simulator.interpret import Answer
from pixsim7_simulator.world import World


class RefusedError(Exception):
    """A business refusal in the vendor's own codes."""

    def __init__(
        self, code: int, message: str, *, http: int = 200, lower_case: bool = False
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.http, self.lower_case = code, message, http, lower_case


@dataclass(slots=True)
class Call:
    """One request on its way through the simulator."""

    request: web.Request
    world: World
    endpoint: str
    key: str
    trace_id: str
    params: dict[str, Any] = field(default_factory=dict)
    malformed: bool = False
    digest: str = ""
    body_bytes: int = 0
    actions: tuple[Action, ...] = ()
    object_id: int | None = None
    duplicate: bool = False

    @property
    def account(self) -> Account:
        """The account of an authorised call."""
        account = self.world.accounts.get(self.key)
        if account is None:
            raise LookupError("the call was not authorised")
        return account


Handler = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    name: str
    method: str
    path: str
    handler: Handler
    public: bool = False  # answered without a key


class Dialect(Protocol):
    name: str
    prefix: str

    def endpoints(self) -> Iterable[Endpoint]: ...

    def identify(self, request: web.Request) -> tuple[str, str]:
        """The API key and the trace id or nonce of a request; empty where missing."""

    def authorise(self, call: Call) -> None:
        """Raise RefusedError unless the call may go on to its handler."""

    def refusal(self, error: RefusedError) -> Answer: ...

    def not_found(self) -> Answer: ...


def prompt_of(params: dict[str, Any]) -> str:
    """All prompts of a request, also those of the items of its lists."""
    found = [params.get("prompt")]
    for value in params.values():
        if isinstance(value, list):
            found += [item.get("prompt") for item in value if isinstance(item, dict)]
    return "\n".join(prompt for prompt in found if isinstance(prompt, str) and prompt)


def number_in(text: str) -> int | None:
    """An id from a path; None for what cannot be one, however long it is."""
    return int(text) if text.isdecimal() and len(text) <= 18 else None
