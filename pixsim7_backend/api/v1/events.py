"""Live events: server-sent, resumable, one unnamed kind."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse

from pixsim7_backend.api.dependencies import (
    CurrentPrincipal,
    CurrentUser,
    FeedDep,
    ServicesDep,
)
from pixsim7_backend.bootstrap.services import Services
from pixsim7_backend.infrastructure.events.feed import FeedItem
from pixsim7_backend.services.user.auth_service import Principal

router = APIRouter(prefix="/events", tags=["events"])

RETRY_MS = 2000
BEAT_S = 15.0
PROGRESS_EVERY_S = 0.25
WATCHED = frozenset({"user:logout", "user:updated"})
"""After one of these the right to the stream is looked at once more."""

Position = Annotated[str | None, Query(max_length=64, description="Go on after this event.")]
LastEventId = Annotated[
    str | None, Header(alias="Last-Event-ID", max_length=64, description="As browsers send it.")
]


@router.get(
    "",
    name="stream",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Each event is one JSON object `{id, type, user_id, job_id, asset_id, "
            "account_id, created_at, data}`. `data.job` has the changed row of a job, but for "
            "`job:waiting` (`data.reason`) and `job:progress` (`data.progress`, at most four a "
            "second). After `resync` too much was missed: read everything anew.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        }
    },
)
async def stream_events(
    request: Request,
    principal: CurrentPrincipal,
    user: CurrentUser,
    services: ServicesDep,
    feed: FeedDep,
    since: Position = None,
    last_event_id: LastEventId = None,
) -> StreamingResponse:
    """Your events as they happen. The stream ends with the session."""
    items = feed.stream(user, last_event_id or since)
    return StreamingResponse(
        _as_lines(items, services, principal),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _as_lines(
    items: AsyncIterator[FeedItem], services: Services, principal: Principal
) -> AsyncIterator[str]:
    progress = ProgressPace()
    yield f"retry: {RETRY_MS}\n\n"
    async with aclosing(_with_beats(items)) as beats:
        async for item in beats:
            is_due = item is None or item.type in WATCHED
            if is_due and await services.auth.find_viewer(principal.viewer_id) is None:
                return
            if item is None:
                yield ": beat\n\n"
            elif progress.lets_pass(item):
                yield _event(item)


class ProgressPace:
    """Lets the progress of each job pass four times a second, and everything else always."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sent: dict[str, float] = {}

    def lets_pass(self, item: FeedItem) -> bool:
        job_id = item.data.get("job_id")
        if job_id is None:
            return True
        if item.type != "job:progress":
            # What follows the last progress of a job tells its end.
            self._sent.pop(job_id, None)
            return True
        now = self._clock()
        if now - self._sent.get(job_id, -PROGRESS_EVERY_S) < PROGRESS_EVERY_S:
            return False
        self._sent[job_id] = now
        return True


async def _with_beats(
    items: AsyncIterator[FeedItem],
) -> AsyncGenerator[FeedItem | None, None]:
    """The items, and None after each quiet while. The wait for an item outlives the beats."""
    waiting: asyncio.Task[FeedItem] | None = None
    try:
        while True:
            waiting = waiting or asyncio.ensure_future(anext(items))
            done, _ = await asyncio.wait({waiting}, timeout=BEAT_S)
            if not done:
                yield None
                continue
            try:
                item = waiting.result()
            except StopAsyncIteration:
                return
            waiting = None
            yield item
    finally:
        if waiting is not None:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        await items.aclose()  # type: ignore[attr-defined]


def _event(item: FeedItem) -> str:
    body: dict[str, Any] = {"id": item.id, "type": item.type, **item.data}
    return f"id: {item.id}\ndata: {json.dumps(body, default=str, separators=(',', ':'))}\n\n"
