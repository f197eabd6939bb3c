"""One byte range of RFC 9110, parsed in constant time; several at once are not served."""

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_MAX_HEADER = 64


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes `start <= i < end` of a whole."""

    start: int
    end: int

    def content_range(self, size: int) -> str:
        return f"bytes {self.start}-{self.end - 1}/{size}"


class RangeNotSatisfiable(Exception):
    """Nothing of the range lies within the file: 416."""


def parse_range(header: str | None, size: int) -> ByteRange | None:
    """The range asked for; None when the whole is to be sent, as for anything odd.

    Raises `RangeNotSatisfiable`.
    """
    if header is None or len(header) > _MAX_HEADER:
        return None
    match = _RANGE.fullmatch(header.strip())
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        return _suffix(int(match[2]), size)
    start = int(match[1])
    last = int(match[2]) if match[2] else size - 1
    if match[2] and last < start:
        return None
    if start >= size:
        raise RangeNotSatisfiable
    return ByteRange(start, min(last + 1, size))


def _suffix(length: int, size: int) -> ByteRange:
    if length == 0 or size == 0:
        raise RangeNotSatisfiable
    return ByteRange(max(0, size - length), size)
