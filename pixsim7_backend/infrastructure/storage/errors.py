"""What can go wrong with stored bytes, in the words of `shared/errors.py`."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from obstore.exceptions import BaseError

from pixsim7_backend.shared.errors import LimitReached, Unavailable

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class BlobTooLarge(LimitReached):
    """The content is longer than it may be; nothing of it is kept."""

    code = "blob_too_large"
    title = "The file is too large"


class StorageNotReady(Unavailable):
    """The store cannot be used now: not mounted, read-only, or another one."""

    code = "storage_not_ready"
    title = "The media storage is not available"


class StorageFull(StorageNotReady):
    """There is no room left."""

    code = "storage_full"
    title = "The media storage is full"


class StorageFault(Unavailable):
    """A read or a write failed; nothing was published."""

    code = "storage_fault"
    title = "The media storage failed"


class BlobMissing(Unavailable):
    """The store is in order but does not hold this content."""

    code = "blob_missing"
    title = "The file is missing from the media storage"


class BlobDamaged(Unavailable):
    """The stored bytes are not the ones their name promises."""

    code = "blob_damaged"
    title = "The stored file is damaged"


@contextmanager
def storage_errors(doing: str) -> Iterator[None]:
    """Turn errors of the system and of obstore into ours; the first reading wins."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull(f"No space left while {doing}.") from error
        raise StorageFault(f"{error.strerror or error} while {doing}.") from error
    except BaseError as error:
        reason = str(error).split("\n", 1)[0][:300]
        raise StorageFault(f"{reason} while {doing}.") from error
