"""Whether a file ends where its container says. Decoders forgive a missing tail; we do not.

A body that lost its end arrives as a plain 200, so these walks are what notices it.
"""

import os
from typing import BinaryIO

from pixsim7_backend.infrastructure.media.sniff import Sniffed

_TRUNCATED = "The file is cut off before its end."
_DAMAGED = "The file is damaged."
_MAX_PARTS = 200_000


class Rejected(Exception):
    """The input is not acceptable media; the message is for people."""


def check_whole(file: BinaryIO, kind: Sniffed) -> None:
    """Raise `Rejected` unless the container's own bookkeeping fits the file."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    walk = {
        "mp4": _boxes,
        "mov": _boxes,
        "matroska": _ebml,
        "PNG": _png,
        "JPEG": _jpeg,
        "GIF": _gif,
        "WEBP": _riff,
        "wav": _riff,
        "ogg": _ogg,
    }.get(kind.reader)
    if walk is not None:
        walk(file, size)
    file.seek(0)


def _boxes(file: BinaryIO, size: int) -> None:
    seen: set[bytes] = set()
    at = 0
    for _ in range(_MAX_PARTS):
        if at == size:
            break
        file.seek(at)
        header = file.read(16)
        if len(header) < 8:
            raise Rejected(_TRUNCATED)
        length, name = int.from_bytes(header[:4], "big"), header[4:8]
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        elif length == 0:  # "to the end of the file", or padding after the last box
            length = size - at
        if length < 8:
            raise Rejected(_DAMAGED)
        if at + length > size:
            raise Rejected(_TRUNCATED)
        seen.add(name)
        at += length
    if b"moov" not in seen or not seen & {b"mdat", b"moof"}:
        raise Rejected(_TRUNCATED)


def _ebml(file: BinaryIO, size: int) -> None:
    head = file.read(4096)
    _, start = _vint(head, 4)
    length = _vint(head, 4)[0]
    if length is None:
        raise Rejected(_DAMAGED)
    at = start + length
    if head[at : at + 4] != b"\x18\x53\x80\x67":
        raise Rejected(_TRUNCATED if at + 4 > size else _DAMAGED)
    segment, start = _vint(head, at + 4)
    if segment is not None and start + segment > size:
        raise Rejected(_TRUNCATED)


def _vint(data: bytes, at: int) -> tuple[int | None, int]:
    """An EBML length and where it ends; None stands for "unknown"."""
    if at >= len(data) or data[at] == 0:
        raise Rejected(_DAMAGED)
    width = 9 - data[at].bit_length()
    raw = int.from_bytes(data[at : at + width], "big")
    if len(data) < at + width:
        raise Rejected(_TRUNCATED)
    ones = (1 << (7 * width)) - 1
    return (None if raw & ones == ones else raw & ones), at + width


def _riff(file: BinaryIO, size: int) -> None:
    length = int.from_bytes(file.read(8)[4:], "little")
    if length != 0xFFFFFFFF and length + 8 > size:
        raise Rejected(_TRUNCATED)


def _png(file: BinaryIO, size: int) -> None:
    at = 8
    for _ in range(_MAX_PARTS):
        file.seek(at)
        header = file.read(8)
        if len(header) < 8:
            raise Rejected(_TRUNCATED)
        at += 12 + int.from_bytes(header[:4], "big")
        if at > size:
            raise Rejected(_TRUNCATED)
        if header[4:] == b"IEND":
            return
    raise Rejected(_DAMAGED)


def _jpeg(file: BinaryIO, size: int) -> None:
    data = file.read()
    scan = data.rfind(b"\xff\xda")
    if scan < 0 or data.find(b"\xff\xd9", scan) < 0:
        raise Rejected(_TRUNCATED)


def _gif(file: BinaryIO, size: int) -> None:
    file.seek(max(0, size - 4096))
    if not file.read().rstrip(b"\x00").endswith(b";"):
        raise Rejected(_TRUNCATED)


def _ogg(file: BinaryIO, size: int) -> None:
    file.seek(max(0, size - 65536 - 512))
    tail = file.read()
    at = tail.rfind(b"OggS")
    if at < 0 or len(tail) < at + 27 or not tail[at + 5] & 4:
        raise Rejected(_TRUNCATED)
    lacing = tail[at + 27 : at + 27 + tail[at + 26]]
    if at + 27 + len(lacing) + sum(lacing) > len(tail):
        raise Rejected(_TRUNCATED)
