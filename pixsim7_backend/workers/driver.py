"""PgQueuer's way to the database: a pool that does no more than the queue needs."""

import asyncio

import asyncpg
from pgqueuer import AsyncpgPoolDriver
from pgqueuer.domain.settings import db_settings
from pgqueuer.ports.driver import NotifyCallback

POOL_SIZE = 8
_CHANGED = "table_changed_event"
_DEQUEUES = "SKIP LOCKED"
_BROKEN = (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError)


def queue_pool(url: str) -> asyncpg.pool.Pool:
    """Connections for the queue's own statements.

    Each of these is a transaction of its own that leaves nothing behind, so the four statements
    by which asyncpg cleans a connection after every use would only double the traffic.
    """
    return asyncpg.create_pool(
        url,
        min_size=2,
        max_size=POOL_SIZE,
        reset=_leave_as_it_is,
        server_settings={"application_name": "pixsim7-worker", "jit": "off"},
    )


async def _leave_as_it_is(_: object) -> None:
    return None


class LaneDriver(AsyncpgPoolDriver):
    """Passes on one hint that the queue has changed for each look into it.

    PgQueuer answers every hint with a look of three or four statements, and in busy times every
    statement on the queue sends a hint to every lane. A hint that arrives while an earlier one
    still waits to be answered has nothing to add: the look will see what it tells of.
    """

    def __init__(self, pool: asyncpg.pool.Pool, lost: asyncio.Event) -> None:
        """`lost` is set when a connection breaks. PgQueuer's own probe takes twenty seconds."""
        super().__init__(pool)
        self._is_told = False
        self._lost = lost

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        if _DEQUEUES in query:
            self._is_told = False
        try:
            return await super().fetch(query, *args)
        except _BROKEN:
            self._lost.set()
            raise

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        def pass_on(payload: str | bytes | bytearray) -> None:
            if _CHANGED in str(payload):
                if self._is_told:
                    return
                self._is_told = True
            callback(payload)

        await super().add_listener(channel, pass_on)
        if self._listener_connection is not None:
            self._listener_connection.add_termination_listener(self._end)

    def _end(self, _: object) -> None:
        self._listener_connection = None  # back in the pool by itself: nothing to release
        self._lost.set()


async def lane_driver(pool: asyncpg.pool.Pool, lost: asyncio.Event) -> LaneDriver:
    """A driver that listens already: PgQueuer sends its first health probe before its LISTEN, and
    would wait ten seconds for an answer that nobody heard."""
    driver = LaneDriver(pool, lost)
    await AsyncpgPoolDriver.add_listener(driver, db_settings().channel, lambda _: None)
    return driver
