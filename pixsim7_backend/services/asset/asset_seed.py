"""A large library of test data in seconds, for trying and measuring; never for real work."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from pixsim7_backend.domain.user import QuotaExceeded, User
from pixsim7_backend.infrastructure.database.engine import Database
from pixsim7_backend.infrastructure.database.repositories.asset_seed import SEED_TAG, SeedRepository
from pixsim7_backend.infrastructure.database.repositories.user import UserRepository
from pixsim7_backend.infrastructure.media.samples import sample_film, sample_picture
from pixsim7_backend.services.asset.asset_ingest import AssetIngest
from pixsim7_backend.services.asset.asset_service import AssetService

BATCH = 5_000
SPAN = timedelta(days=400)
_PICTURES = (
    (1280, 720), (720, 1280), (1024, 1024), (1200, 800), (800, 1200), (1440, 612), (1000, 800),
    (800, 1000), (1280, 960), (960, 1280), (640, 360), (1024, 512),
)  # fmt: skip
_FILMS = ((640, 360), (360, 640), (480, 480), (640, 272))


class AssetSeed:
    """A few real files through the real way in, then rows that share their bytes."""

    def __init__(self, database: Database, assets: AssetService, ingest: AssetIngest) -> None:
        self._db = database
        self._assets = assets
        self._ingest = ingest

    async def fill(
        self,
        user: User,
        count: int,
        progress: Callable[[int], None] = lambda made: None,
        originals: int = 32,
    ) -> None:
        """`count` assets over the last 400 days, tagged `test-data`, that share the bytes of so
        many originals. No events tell of the copies.

        Raises `QuotaExceeded`; each batch counts against the quotas in its own transaction.
        """
        templates = await self._templates(user, min(count, originals))
        progress(len(templates))
        newest, total = datetime.now(UTC), count - len(templates)
        for first in range(0, total, BATCH):
            last = min(first + BATCH, total) - 1
            async with self._db.transaction() as tx:
                made, size = await SeedRepository(tx.session).add_copies(
                    templates, first, last, total, newest, SPAN
                )
                users = UserRepository(tx.session)
                if not await users.take_storage(user.id, size, made, enforce=True):
                    raise QuotaExceeded("The storage or asset quota is used up.")
            progress(len(templates) + last + 1)
        async with self._db.transaction() as tx:
            await SeedRepository(tx.session).analyse()

    async def _templates(self, user: User, count: int) -> list[UUID]:
        makers = [
            *(partial(sample_picture, number, size) for number, size in enumerate(_PICTURES * 2)),
            *(
                partial(sample_film, number, size, 2 + number % 4)
                for number, size in enumerate(_FILMS * 2)
            ),
        ]
        ids = []
        for make in makers[:count]:
            content = await asyncio.to_thread(make)
            asset = await self._assets.upload(user, _whole(content), tags=[SEED_TAG])
            await self._ingest.derive(asset.id)
            ids.append(asset.id)
        return list(dict.fromkeys(ids))


async def _whole(content: bytes) -> AsyncIterator[bytes]:
    yield content
