"""Identifiers: UUID version 7, so that primary keys are unguessable and ordered by time."""

import os
import threading
import time
from uuid import UUID

_lock = threading.Lock()
_last = 0


def new_id() -> UUID:
    """A new UUIDv7 (RFC 9562, method 3): 60 bits of time in 1/4096 ms, then 62 random bits.

    Every one is greater than those that this process made before, so that things made in one
    breath (a batch of jobs) keep their order.
    """
    global _last
    with _lock:
        _last = ticks = max(time.time_ns() * 4096 // 1_000_000, _last + 1)
    value = (ticks >> 12 & (2**48 - 1)) << 80
    value |= 0x7 << 76 | (ticks & 0xFFF) << 64
    value |= 0b10 << 62 | int.from_bytes(os.urandom(8)) >> 2
    return UUID(int=value)
