"""Identifiers: UUID version 7, so that primary keys are unguessable and ordered by time."""

import os
import time
from uuid import UUID


def new_id() -> UUID:
    """A new UUIDv7 (RFC 9562): 48 bits of milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    random_bits = int.from_bytes(os.urandom(10))
    value = (milliseconds & (2**48 - 1)) << 80
    value |= 0x7 << 76 | (random_bits >> 68 & 0xFFF) << 64
    value |= 0b10 << 62 | random_bits & (2**62 - 1)
    return UUID(int=value)
