"""The child's answers, believed no further than they can be checked.

A child that was taken over by a hostile file may answer anything: names outside of the output
directory, links to other files, texts that are no thumbhash.
"""

import os
import re
import stat
from pathlib import Path
from typing import Any

from pixsim7_backend.domain.vocabulary import MediaType
from pixsim7_backend.infrastructure.media.model import (
    Derivatives,
    DerivedFile,
    MediaInfo,
    MediaToolFailed,
)
from pixsim7_backend.infrastructure.media.sniff import KNOWN

_DERIVED = {
    "poster.webp": "image/webp",
    "thumb-240.webp": "image/webp",
    "thumb-480.webp": "image/webp",
    "thumb-960.webp": "image/webp",
    "preview.mp4": "video/mp4",
}
_BY_MIME = {kind.mime: kind for kind in KNOWN}
_THUMBHASH = re.compile(r"[A-Za-z0-9+/]{8,60}={0,2}")
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_CODEC = re.compile(r"[a-z0-9_]{1,24}")
_ROTATIONS = frozenset({0, 90, 180, 270})


class _Odd(Exception):
    """An answer that the tool's own code would not give."""


def media_info(answer: dict[str, Any]) -> MediaInfo:
    """The facts of a `probe`."""
    try:
        kind = _BY_MIME[answer["mime"]]
        return MediaInfo(
            media_type=MediaType(kind.media_type),
            mime=kind.mime,
            extension=kind.extension,
            size_bytes=_whole(answer["size_bytes"], 1 << 50) or 0,
            width=_whole(answer.get("width"), 1 << 26),
            height=_whole(answer.get("height"), 1 << 26),
            duration_s=_real(answer.get("duration_s"), 1e7),
            fps=_real(answer.get("fps"), 1e5),
            codec=_text(answer.get("codec"), _CODEC),
            audio_codec=_text(answer.get("audio_codec"), _CODEC),
            has_audio=answer.get("has_audio") is True,
            frames=_whole(answer.get("frames"), 1 << 40),
            rotation=answer["rotation"] if answer.get("rotation") in _ROTATIONS else 0,
            has_alpha=answer.get("has_alpha") is True,
        )
    except (_Odd, KeyError, TypeError) as error:
        raise MediaToolFailed("The media tool gave an answer that makes no sense.") from error


def derivatives(answer: dict[str, Any], out_dir: Path) -> Derivatives:
    """The files and facts of a `derive`."""
    try:
        return Derivatives(
            poster=_file(answer.get("poster"), out_dir),
            thumbnails=tuple(
                made
                for item in answer.get("thumbnails", [])[:3]
                if (made := _file(item, out_dir)) is not None
            ),
            preview=_file(answer.get("preview"), out_dir),
            thumbhash=_text(answer.get("thumbhash"), _THUMBHASH),
            colour=_text(answer.get("colour"), _COLOUR),
        )
    except (_Odd, KeyError, TypeError, OSError) as error:
        raise MediaToolFailed("The media tool gave an answer that makes no sense.") from error


def _file(item: dict[str, Any] | None, out_dir: Path) -> DerivedFile | None:
    if item is None:
        return None
    name = item["name"]
    if _DERIVED.get(name) != item["mime"]:
        raise _Odd(name)
    path = out_dir / name
    found = os.lstat(path)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or found.st_size == 0:
        raise _Odd(name)
    width, height = _whole(item["width"], 4096), _whole(item["height"], 4096)
    if not width or not height:
        raise _Odd(name)
    return DerivedFile(path, item["mime"], width, height, found.st_size)


def _whole(value: object, most: int) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise _Odd(value)
    return value


def _real(value: object, most: float) -> float | None:
    if value is None:
        return None
    if not isinstance(value, int | float) or not 0 <= value <= most:
        raise _Odd(value)
    return float(value)


def _text(value: object, pattern: re.Pattern[str]) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise _Odd(value)
    return value
