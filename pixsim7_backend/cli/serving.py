"""Processes that stay: the server and the worker."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
import uvicorn

from pixsim7_backend.bootstrap.container import Container
from pixsim7_backend.main import create_app
from pixsim7_backend.shared.config import Settings
from pixsim7_backend.workers.worker import DRAIN_S, Worker

log = structlog.get_logger()

API_DRAIN_S = 30


class CannotListen(Exception):
    """The address cannot be listened at; the message says which and why."""


class _Server(uvicorn.Server):
    """Signals are ours to handle, for the worker has to drain too; and we tell when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.has_begun = asyncio.Event()
        self.refusal: OSError | None = None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit as leaving:
            # It would end the process from inside a task; the reason is the error it came from.
            if not isinstance(leaving.__context__, OSError):
                raise
            self.refusal = leaving.__context__
            self.should_exit = True
        finally:
            self.has_begun.set()


class Server:
    """API and, unless told otherwise, a worker in one process."""

    def __init__(self, container: Container, *, with_worker: bool = True) -> None:
        self._container = container
        settings = container.settings
        self._server = _Server(
            uvicorn.Config(
                create_app(container),
                host=settings.host,
                port=settings.port,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=API_DRAIN_S,
                proxy_headers=False,
            )
        )
        self._worker = Worker(container) if with_worker else None
        self._stopped = False

    async def run(self, on_ready: Callable[[str], None] | None = None) -> None:
        """Serve until `stop`; then drain both. `on_ready` is told the address.

        Raises `CannotListen`, before the worker begins.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._serve())
            await self._server.has_begun.wait()
            if self._server.started:
                if self._worker is not None:
                    group.create_task(self._worker.run())
                if on_ready is not None:
                    on_ready(self.url)
        if self._server.refusal is not None:
            settings, reason = self._container.settings, self._server.refusal
            raise CannotListen(
                f"Cannot listen at {settings.host}, port {settings.port}: {_why(reason)}. Choose"
                " another with --port or --host, or stop what listens there."
            )

    async def _serve(self) -> None:
        await self._server.serve()
        self.stop()

    @property
    def url(self) -> str:
        """The address that this server really listens at."""
        for server in self._server.servers:
            for listening in server.sockets:
                host, port = listening.getsockname()[:2]
                family = listening.family
                shown = f"[{host}]" if family == socket.AF_INET6 else host
                shown = "127.0.0.1" if shown in ("0.0.0.0", "[::]") else shown  # noqa: S104
                return f"http://{shown}:{port}"
        return f"http://{self._container.settings.host}:{self._container.settings.port}"

    def stop(self) -> None:
        """Take nothing new; finish what is at hand."""
        if self._stopped:
            return
        self._stopped = True
        self._server.should_exit = True
        self._container.feed.end_streams()
        if self._worker is not None:
            self._worker.stop()


def _why(error: OSError) -> str:
    """The system's own words: asyncio puts the address and its own around them."""
    known = error.errno is not None and error.errno > 0
    return os.strerror(error.errno or 0) if known else str(error)


async def until_signalled(
    run: Callable[[], "asyncio.Task[None]"], stop: Callable[[], None], drain_s: float
) -> None:
    """Run until SIGINT or SIGTERM, then drain; a second signal, or the limit, ends it at once."""
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    again = asyncio.Event()

    def on_signal() -> None:
        if asked.is_set():
            again.set()
        asked.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    task = run()
    asked_task = asyncio.create_task(asked.wait())
    await asyncio.wait([task, asked_task], return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        log.info("draining")
        stop()
        again_task = asyncio.create_task(again.wait())
        await asyncio.wait([task, again_task], timeout=drain_s, return_when=asyncio.FIRST_COMPLETED)
        again_task.cancel()
        if not task.done():
            log.warning("drain_cut_short")
            task.cancel()
            await asyncio.wait([task])
            return
    asked_task.cancel()
    await task


async def serve(
    settings: Settings, *, with_worker: bool, on_ready: Callable[[str, str | None], None]
) -> None:
    """`pixsim7 serve`. `on_ready` is told the address, and the setup token of a fresh one."""
    container = await Container.open(settings)
    try:
        server = Server(container, with_worker=with_worker)
        setup_token = await container.services.setup.issue_token()
        await until_signalled(
            lambda: asyncio.create_task(server.run(lambda url: on_ready(url, setup_token))),
            server.stop,
            DRAIN_S,
        )
    finally:
        await container.close()


async def work(settings: Settings) -> None:
    """`pixsim7 worker`."""
    container = await Container.open(settings)
    try:
        worker = Worker(container)
        await until_signalled(lambda: asyncio.create_task(worker.run()), worker.stop, DRAIN_S)
    finally:
        await container.close()
