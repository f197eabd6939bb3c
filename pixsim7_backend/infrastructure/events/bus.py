"""Handlers inside this process: `@event_bus.on("job:created")`."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from pixsim7_backend.domain.event import EVENT_TYPES, CommittedEvent

log = structlog.get_logger()


Handler = Callable[[CommittedEvent], Awaitable[None]]
H = TypeVar("H", bound=Handler)

ALL = "*"


class EventBus:
    """Calls handlers for every committed event, in order, in each process that runs a feed.

    A handler that fails is logged and does not stop the others. Work that must happen exactly
    once belongs into a task, not here.
    """

    def __init__(self) -> None:
        self._handlers: dict[str, list[Handler]] = defaultdict(list)

    def on(self, type: str = ALL) -> Callable[[H], H]:
        """Register a handler for one type, or with `"*"` for all."""
        if type != ALL and type not in EVENT_TYPES:
            raise ValueError(f"unknown event type {type!r}; known: {', '.join(EVENT_TYPES)}")

        def register(handler: H) -> H:
            self._handlers[type].append(handler)
            return handler

        return register

    def off(self, handler: Handler) -> None:
        """Forget a handler."""
        for handlers in self._handlers.values():
            while handler in handlers:
                handlers.remove(handler)

    @property
    def has_handlers(self) -> bool:
        return any(self._handlers.values())

    async def deliver(self, event: CommittedEvent) -> None:
        for handler in (*self._handlers[event.type], *self._handlers[ALL]):
            try:
                await handler(event)
            except asyncio.CancelledError:
                raise
            except Exception:
                log.exception("event_handler_failed", event_type=event.type)


event_bus = EventBus()
"""The process's bus."""
