"""Poster, thumbnails, hover preview, thumbhash and colour. Runs in the confined child only."""

import io
import itertools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream
from PIL import Image

from pixsim7_backend.infrastructure.media import thumbhash
from pixsim7_backend.infrastructure.media.films import (
    colour_matrix,
    display_size,
    film,
    picture_stream,
    upright_image,
)
from pixsim7_backend.infrastructure.media.pictures import read_picture, shrink
from pixsim7_backend.infrastructure.media.sniff import Sniffed
from pixsim7_backend.infrastructure.media.whole import Rejected

POSTER_SIDE = 1280
THUMB_SIDES = (240, 480, 960)
_THUMB_BYTES = {240: 8_000, 480: 20_000, 960: 60_000}
_QUALITIES = (80, 70, 60, 50, 40)
_PREVIEW_SHORT_SIDE = 360
_PREVIEW_SECONDS = 4
_PREVIEW_FPS = 30
_MILLISECOND = Fraction(1, 1000)
_PQ, _HLG, _BT709 = 16, 18, 1
PREVIEW_BYTES = 400_000
# Where a good poster may be, in the order of preference.
_POSTER_POINTS = (0.0, 0.1, 0.25, 0.5, 0.75)
_MAX_STEPS = 300


def derive(fd: int, file: BinaryIO, kind: Sniffed, out: Path) -> dict[str, Any]:
    """Write the derivatives into `out` and describe them."""
    if kind.media_type == "image":
        return _stills(read_picture(file, kind, POSTER_SIDE), out)
    if kind.media_type != "video":
        return {}
    with film(fd, kind) as container:
        stream = picture_stream(container)
        if stream is None:
            return {}
        stream.thread_type = "AUTO"
        poster, turn = _poster_frame(container, stream)
        made = _stills(poster, out)
        made["preview"] = _preview(container, stream, turn, out / "preview.mp4")
    return made


def _poster_frame(container: InputContainer, stream: VideoStream) -> tuple[Image.Image, int]:
    """The first candidate that shows something; else the liveliest of all."""
    best: tuple[float, Image.Image] | None = None
    turn = 0
    length = (container.duration or 0) / av.time_base
    for point in _POSTER_POINTS:
        frame = _frame_at(container, stream, length * point)
        if frame is None:
            continue
        turn = (-frame.rotation) % 360
        grey = frame.reformat(width=64, height=64, format="gray").to_ndarray().astype(np.float64)
        liveliness = float(grey.std())
        if best is None or liveliness > best[0]:
            size = _fit(display_size(stream, turn), POSTER_SIDE)
            best = (liveliness, upright_image(frame, size, turn))
        if liveliness > 12 and 20 < float(grey.mean()) < 240:
            break
    if best is None:
        raise Rejected("The film has no frames.")
    return best[1], turn


def _frame_at(
    container: InputContainer, stream: VideoStream, seconds: float
) -> av.VideoFrame | None:
    """The frame shown then: from the key frame before it, over a bounded number of frames."""
    start = max(0, container.start_time) / av.time_base
    container.seek(int((start + seconds) * av.time_base))
    frame = None
    for frame in itertools.islice(container.decode(stream), _MAX_STEPS):
        if frame.pts is None or frame.time >= start + seconds:
            break
    return frame


def _fit(size: tuple[int, int], longest: int) -> tuple[int, int]:
    factor = min(1.0, longest / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _stills(poster: Image.Image, out: Path) -> dict[str, Any]:
    thumbnails: list[dict[str, Any]] = []
    source = poster
    for side in sorted(THUMB_SIDES, reverse=True):
        if side > max(poster.size) and any(
            item > max(poster.size) for item in THUMB_SIDES if item < side
        ):
            continue  # a smaller one shows the whole picture already
        source = shrink(source, side)
        data = _webp(source, _THUMB_BYTES[side])
        thumbnails.insert(0, _write(out / f"thumb-{side}.webp", data, source.size, "image/webp"))
    return {
        "poster": _write(out / "poster.webp", _webp(poster, 300_000), poster.size, "image/webp"),
        "thumbnails": thumbnails,
        "thumbhash": _thumbhash(source),
        "colour": _colour(source),
    }


def _webp(image: Image.Image, aim: int) -> bytes:
    """WebP of the best quality that stays below the aim, or the lowest that still looks well."""
    data = b""
    for quality in _QUALITIES:
        buffer = io.BytesIO()
        image.save(buffer, "WEBP", quality=quality, method=4)
        data = buffer.getvalue()
        if len(data) <= aim:
            break
    return data


def _write(path: Path, data: bytes, size: tuple[int, int], mime: str) -> dict[str, Any]:
    path.write_bytes(data)
    return {"name": path.name, "mime": mime, "width": size[0], "height": size[1]}


def _thumbhash(image: Image.Image) -> str:
    small = shrink(image, 100).convert("RGBA")
    if min(small.size) < 8:  # the transform needs as many pixels as it has waves
        small = small.resize((max(8, small.width), max(8, small.height)), Image.Resampling.NEAREST)
    return thumbhash.encode(np.asarray(small, np.uint8))


def _colour(image: Image.Image) -> str:
    """The average colour of what can be seen."""
    rgba = np.asarray(image.convert("RGBA"), np.float64)
    weight = rgba[:, :, 3:]
    total = float(weight.sum())
    if total == 0:
        return "#808080"
    red, green, blue = (rgba[:, :, :3] * weight).sum(axis=(0, 1)) / total
    return f"#{round(red):02x}{round(green):02x}{round(blue):02x}"


def _preview(
    container: InputContainer, stream: VideoStream, turn: int, path: Path
) -> dict[str, Any]:
    """A short muted film; a second try at half the rate if the first came out too large."""
    shown = display_size(stream, turn)
    factor = min(1.0, _PREVIEW_SHORT_SIDE / min(shown))
    factor = min(factor, 2 * _PREVIEW_SHORT_SIDE * 2 / max(shown))
    size = (max(2, round(shown[0] * factor / 2) * 2), max(2, round(shown[1] * factor / 2) * 2))
    for kbit in (640, 300, 120):
        _encode_preview(container, stream, turn, size, path, kbit)
        if path.stat().st_size <= PREVIEW_BYTES:
            break
    return {"name": path.name, "mime": "video/mp4", "width": size[0], "height": size[1]}


def _encode_preview(
    container: InputContainer,
    stream: VideoStream,
    turn: int,
    size: tuple[int, int],
    path: Path,
    kbit: int,
) -> None:
    options = {"movflags": "+faststart", "fflags": "+bitexact", "protocol_whitelist": "file"}
    with av.open(str(path), "w", format="mp4", options=options) as output:
        encoder = output.add_stream("libx264", rate=Fraction(_PREVIEW_FPS))
        encoder.width, encoder.height, encoder.pix_fmt = size[0], size[1], "yuv420p"
        encoder.options = {
            "preset": "veryfast",
            "crf": "27",
            "maxrate": f"{kbit}k",
            "bufsize": f"{kbit}k",
            "profile": "high",
            "threads": "2",
        }
        encoder.codec_context.time_base = _MILLISECOND
        last = -1
        for milliseconds, frame in _preview_frames(container, stream):
            if milliseconds <= last:
                continue
            if last < 0:
                _tag_colours(encoder.codec_context, frame)
            last = milliseconds
            small = _small_frame(frame, size, turn)
            small.pts, small.time_base = milliseconds, _MILLISECOND
            output.mux(encoder.encode(small))
        if last < 0:
            raise Rejected("The film has no frames.")
        output.mux(encoder.encode(None))


def _preview_frames(
    container: InputContainer, stream: VideoStream
) -> Iterator[tuple[int, av.VideoFrame]]:
    """The first seconds, thinned to the preview's rate, with times in milliseconds from 0."""
    container.seek(0)
    start: float | None = None
    due = 0.0
    for frame in container.decode(stream):
        if frame.pts is None:
            continue
        start = frame.time if start is None else start
        at = frame.time - start
        if at >= _PREVIEW_SECONDS:
            return
        if at < due - 0.25 / _PREVIEW_FPS:
            continue
        due = max(due + 1 / _PREVIEW_FPS, at)
        yield round(at * 1000), frame


def _tag_colours(encoder: VideoCodecContext, frame: av.VideoFrame) -> None:
    """Say what `_small_frame` makes: BT.709 of limited range, or the source's HDR."""
    hdr = frame.color_trc in (_PQ, _HLG)
    encoder.colorspace, encoder.color_range = _BT709, 1
    encoder.color_trc = frame.color_trc if hdr else _BT709
    encoder.color_primaries = frame.color_primaries if hdr else _BT709


def _small_frame(frame: av.VideoFrame, size: tuple[int, int], turn: int) -> av.VideoFrame:
    matrix = colour_matrix(frame)
    if turn:
        frame = av.VideoFrame.from_ndarray(np.asarray(upright_image(frame, size, turn)))
        matrix = None
    small = frame.reformat(
        width=size[0],
        height=size[1],
        format="yuv420p",
        interpolation="AREA",
        src_colorspace=matrix,
        dst_colorspace="ITU709",
        dst_color_range="MPEG",
    )
    small.pict_type = 0
    return small
