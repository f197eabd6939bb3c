"""Polls in milliseconds: the simulator renders at once, and the vendor's pace is not the test's."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from pixsim7_backend.providers.pixverse.manifest import MANIFEST
from pixsim7_backend.services.asset.asset_ingest import AssetIngest

_QUICK = {"first_delay_s": 0.05, "min_interval_s": 0.1}


@contextmanager
def hurried() -> Iterator[None]:
    """In this process, for the time of the block."""
    usual = {name: getattr(MANIFEST.poll, name) for name in _QUICK}
    _set(_QUICK)
    try:
        yield
    finally:
        _set(usual)


def _set(values: dict[str, float]) -> None:
    for name, seconds in values.items():
        object.__setattr__(MANIFEST.poll, name, seconds)


def skip_previews() -> None:
    """For a process that is about to work: thumbnails cost more than all the rest together, and
    are not the subject where jobs come by the hundred."""

    async def nothing(self: AssetIngest, asset_id: UUID) -> None:
        return None

    AssetIngest.derive = nothing  # type: ignore[method-assign]
