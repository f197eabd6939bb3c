"""The resources of one process: opened once, closed in reverse."""

import asyncio
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile

import structlog

from pixsim7_backend.bootstrap.adapters import load_adapters
from pixsim7_backend.bootstrap.services import Services, build_services
from pixsim7_backend.domain.account import ProviderAccount
from pixsim7_backend.infrastructure.database.embedded import EmbeddedPostgres
from pixsim7_backend.infrastructure.database.engine import Database
from pixsim7_backend.infrastructure.database.migrate import migrate, require_current_schema
from pixsim7_backend.infrastructure.database.repositories.account import AccountRepository
from pixsim7_backend.infrastructure.database.repositories.installation import (
    InstallationRepository,
)
from pixsim7_backend.infrastructure.events.bus import event_bus
from pixsim7_backend.infrastructure.events.feed import EventFeed
from pixsim7_backend.infrastructure.http import HttpGateway
from pixsim7_backend.infrastructure.http_policy import AddressPolicy
from pixsim7_backend.infrastructure.media.runner import MediaTools
from pixsim7_backend.infrastructure.security.keys import MasterKeys, load_master_keys
from pixsim7_backend.infrastructure.security.passwords import PasswordHashing
from pixsim7_backend.infrastructure.storage.blob_store import BlobStore
from pixsim7_backend.shared.config import BadSettings, Settings
from pixsim7_backend.shared.errors import PixSimError

log = structlog.get_logger()

_HOUSE_ACCOUNT_LOCK = 7_730_002


@dataclass(slots=True)
class Container:
    """Everything that a process of ours works with."""

    settings: Settings
    database: Database
    keys: MasterKeys
    store: BlobStore
    tools: MediaTools
    gateway: HttpGateway
    feed: EventFeed
    services: Services
    _stack: AsyncExitStack = field(repr=False)

    @classmethod
    async def open(
        cls,
        settings: Settings,
        *,
        with_migrations: bool | None = None,
        passwords: PasswordHashing | None = None,
    ) -> "Container":
        """Start what is needed, in order; on failure everything started is stopped again.

        The embedded database is migrated by itself; an external one only when asked to, and a
        process refuses to run on a schema that is not its own (`SchemaNotReady`). Raises
        `BadSettings` for a data directory that cannot be written.
        """
        async with AsyncExitStack() as stack:
            _private_directory(settings.data_dir)
            url = await _database_url(settings, stack)
            is_embedded = settings.database_url is None
            if is_embedded if with_migrations is None else with_migrations:
                await migrate(url)
            await require_current_schema(url)
            database = Database(url, pool_size=settings.database_pool_size)
            stack.push_async_callback(database.close)
            keys = load_master_keys(settings.data_dir)
            gateway = HttpGateway(
                policy=AddressPolicy(
                    allow_private_origins=settings.allow_private_origins,
                    allow_private_webhooks=settings.allow_private_webhooks,
                ),
                user_agent="PixSim7",
            )
            await gateway.open()
            stack.push_async_callback(gateway.close)
            store = await _store(settings, database)
            stack.push_async_callback(store.close)
            tools = MediaTools(max_parallel=settings.media_concurrency)
            stack.push_async_callback(tools.aclose)
            feed = EventFeed(database, event_bus)
            adapters = load_adapters(settings, socket.gethostname())
            for adapter in adapters:
                stack.push_async_callback(asyncio.to_thread, adapter.close)
            services = build_services(
                settings,
                database,
                keys,
                gateway,
                store,
                tools,
                passwords or PasswordHashing(),
                adapters,
            )
            await _ensure_house_account(database, settings)
            await feed.start()
            stack.push_async_callback(feed.close)
            return cls(
                settings, database, keys, store, tools, gateway, feed, services, stack.pop_all()
            )

    async def close(self) -> None:
        """Stop everything, last opened first."""
        await self._stack.aclose()

    async def is_ready(self) -> dict[str, str]:
        """What each part says of itself: "ok", or a sentence."""
        found = {"database": "ok", "storage": "ok"}
        try:
            async with asyncio.timeout(2), self.database.transaction() as tx:
                await AccountRepository(tx.session).count_house_accounts()
        except Exception as error:
            found["database"] = f"The database does not answer ({type(error).__name__})."
        try:
            await self.store.check()
        except PixSimError as error:
            found["storage"] = error.detail
        return found


def _private_directory(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Really written: permissions alone say nothing of a read-only or full file system.
        with TemporaryFile(dir=path) as file:
            file.write(b"1")
    except OSError as error:
        raise BadSettings(
            f"PIXSIM7_DATA_DIR: {path} cannot be written ({error.strerror}); name a directory that"
            " this user may write"
        ) from error


async def _database_url(settings: Settings, stack: AsyncExitStack) -> str:
    if settings.database_url is not None:
        return settings.database_url
    embedded = EmbeddedPostgres(
        settings.data_dir / "postgres", durable=settings.env == "production"
    )
    server = await asyncio.to_thread(embedded.start)
    stack.push_async_callback(asyncio.to_thread, embedded.stop)
    return server.url


async def _store(settings: Settings, database: Database) -> BlobStore:
    """The blob store, checked to be the one that belongs to this database: an unmounted volume
    is not taken for a new store."""
    location = settings.storage_url or settings.data_dir / "media"
    store = BlobStore.open(location, staging_dir=settings.data_dir / "staging")
    async with database.transaction() as tx:
        expected = await InstallationRepository(tx.session).find("storage_id")
    store_id = await store.prepare(expected_id=expected)
    async with database.transaction() as tx:
        await InstallationRepository(tx.session).remember("storage_id", store_id)
    return store


async def _ensure_house_account(database: Database, settings: Settings) -> None:
    """The built-in renderer needs no key, but like every provider it runs on an account."""
    async with database.transaction() as tx:
        accounts = AccountRepository(tx.session)
        await InstallationRepository(tx.session).serialise(_HOUSE_ACCOUNT_LOCK)
        if await accounts.count_house_accounts("local"):
            return
        await accounts.add(
            ProviderAccount(
                provider_id="local",
                name="Built-in renderer",
                is_shared=True,
                max_concurrent_jobs=settings.render_concurrency,
            )
        )
