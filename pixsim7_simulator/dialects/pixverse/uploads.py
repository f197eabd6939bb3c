"""PixVerse's uploads: real files, really looked at, within the documented limits."""

import asyncio
import io
from dataclasses import dataclass
from typing import Literal

import aiohttp
import av
from aiohttp import web
from av.error import FFmpegError
from PIL import Image, UnidentifiedImageError

from pixsim7_simulator.dialects.base import Call, RefusedError
from pixsim7_simulator.dialects.pixverse.fields import EMPTY, invalid
from pixsim7_simulator.wire import read_at_most
from pixsim7_simulator.world import Upload

_IMAGE_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
_IMAGE_BYTES = 20 * 1024 * 1024
_MEDIA_BYTES = 50 * 1024 * 1024
_MEDIA_SECONDS = 30.5  # containers round up
_MEDIA_PX = 1920
_VIDEO_FORMATS = {"mov", "mp4", "webm", "matroska"}
_AUDIO_FORMATS = {"mp3", "wav", "mov", "mp4", "m4a", "aac", "adts"}
_FETCH = aiohttp.ClientTimeout(total=30)


@dataclass(frozen=True, slots=True)
class _Probe:
    kind: Literal["video", "audio"]
    size: tuple[int, int]
    seconds: float


async def image(call: Call) -> Upload:
    name, content = await _content(call, "image", "image_url")
    if len(content) >= _IMAGE_BYTES:
        raise RefusedError(500030, "The image is over 20 MB or too large")
    kind, size = await asyncio.to_thread(_look_at_image, content)
    if max(size) > call.world.settings.image_max_px:
        raise RefusedError(500030, "The image is over 20 MB or too large")
    return call.world.uploads.put(
        call.key,
        content,
        kind="image",
        size=size,
        seconds=0.0,
        name=name,
        content_type=_IMAGE_TYPES[kind],
    )


async def media(call: Call) -> Upload:
    name, content = await _content(call, "file", "file_url")
    if len(content) > _MEDIA_BYTES:
        raise invalid("the file is over 50 MB")
    found = await asyncio.to_thread(_probe, content)
    wanted = call.params.get("media_type")
    if wanted not in (None, "", found.kind):
        raise invalid("media_type")
    if found.seconds > _MEDIA_SECONDS or max(found.size) > _MEDIA_PX:
        raise invalid("the media is over 30 s or 1920 px")
    content_type = "video/mp4" if found.kind == "video" else "audio/mpeg"
    return call.world.uploads.put(
        call.key,
        content,
        kind=found.kind,
        size=found.size,
        seconds=found.seconds,
        name=name,
        content_type=content_type,
    )


async def _content(call: Call, file_field: str, url_field: str) -> tuple[str, bytes]:
    """Name and bytes of the one file or link of a multipart form."""
    if not call.request.content_type.startswith("multipart/"):
        raise RefusedError(400013, "Invalid binding: multipart/form-data expected")
    form = await call.request.post()
    call.params = {name: value for name, value in form.items() if isinstance(value, str)}
    file, link = form.get(file_field), call.params.get(url_field)
    if isinstance(file, web.FileField):
        name, content = file.filename, file.file.read()
    elif link:
        name, content = link.rsplit("/", 1)[-1], await _fetch(link)
    else:
        raise RefusedError(EMPTY, f"Empty parameter: {file_field} or {url_field}")
    if not content:
        raise RefusedError(EMPTY, f"Empty parameter: {file_field}")
    if any(word in name for word in call.world.settings.flagged_files):
        # Upload moderation answers unlike everything else: HTTP 500 and lower-case keys.
        raise RefusedError(500052, "image moderation failed", http=500, lower_case=True)
    return name, content


async def _fetch(link: str) -> bytes:
    if not link.startswith(("http://", "https://")):
        raise RefusedError(500042, "Invalid image path")
    try:
        async with aiohttp.ClientSession(timeout=_FETCH) as session, session.get(link) as answer:
            answer.raise_for_status()
            return await read_at_most(answer.content, _MEDIA_BYTES + 1)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise RefusedError(500041, "Image upload failed") from error


def _look_at_image(content: bytes) -> tuple[str, tuple[int, int]]:
    try:
        with Image.open(io.BytesIO(content)) as picture:
            picture.load()
            kind, size = picture.format or "", picture.size
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise RefusedError(500031, "Could not read the image information") from error
    if kind not in _IMAGE_TYPES:
        raise RefusedError(500032, "Invalid image format")
    return kind, size


def _probe(content: bytes) -> _Probe:
    try:
        with av.open(io.BytesIO(content), "r") as container:
            formats = set(container.format.name.split(","))
            seconds = (container.duration or 0) / av.time_base
            streams = container.streams
            if streams.video and formats & _VIDEO_FORMATS:
                context = streams.video[0].codec_context
                next(container.decode(video=0))
                return _Probe("video", (context.width, context.height), seconds)
            if streams.audio and not streams.video and formats & _AUDIO_FORMATS:
                return _Probe("audio", (0, 0), seconds)
    except (FFmpegError, StopIteration, ValueError) as error:
        raise invalid("could not read the media") from error
    raise invalid("the media format is not supported")
