"""Reading films and sound with PyAV. Runs in the confined child only.

The file is reached through an open descriptor and the `fd` protocol alone, with the demuxer that
the first bytes called for: a playlist, whatever its name, cannot make us open anything.
"""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream
from PIL import Image

from pixsim7_backend.infrastructure.media.pictures import check_pixels
from pixsim7_backend.infrastructure.media.sniff import M4A, WEBM_AUDIO, Sniffed
from pixsim7_backend.infrastructure.media.whole import Rejected

_VIDEO_CODECS = frozenset({"h264", "hevc", "vp8", "vp9", "av1", "libdav1d", "mpeg4", "prores"})
_AUDIO_CODECS = frozenset(
    {"aac", "mp3", "mp3float", "opus", "libopus", "vorbis", "flac", "alac"}
    | {f"pcm_{kind}" for kind in ("u8", "s16le", "s16be", "s24le", "s24be", "s32le", "f32le")}
)
_DECODE_ALL = 200 * 1000 * 1000  # pixels; a longer film is decoded at its start, inside and end
_TAIL_FRAMES = 300
_AUDIO_SECONDS = 600

_THE_FILE_IS_BAD = (
    av.error.InvalidDataError,
    av.error.EOFError,
    av.error.ArgumentError,
    av.error.PatchWelcomeError,
    av.error.DecoderNotFoundError,
    av.error.DemuxerNotFoundError,
)

Described = tuple[Sniffed, dict[str, Any]]


@contextmanager
def film(fd: int, kind: Sniffed) -> Iterator[InputContainer]:
    """The open container. What the libraries say against the file becomes `Rejected`.

    Other errors (no memory, no thread, a failing encoder) are not the file's fault: they pass.
    """
    os.lseek(fd, 0, os.SEEK_SET)
    options = {"fd": str(fd), "protocol_whitelist": "fd", "format_whitelist": _FORMATS[kind.reader]}
    try:
        with av.open("fd:", "r", format=kind.reader, options=options) as container:
            yield container
    except _THE_FILE_IS_BAD as error:
        raise Rejected("The file is damaged: it cannot be decoded.") from error


_FORMATS = {
    "mp4": "mov,mp4,m4a,3gp,3g2,mj2",
    "mov": "mov,mp4,m4a,3gp,3g2,mj2",
    "matroska": "matroska,webm",
} | {name: name for name in ("mp3", "wav", "aac", "ogg", "flac")}


def picture_stream(container: InputContainer) -> VideoStream | None:
    """The first real video stream; a cover picture in a song is none."""
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            return stream
    return None


def probe_film(fd: int, kind: Sniffed) -> Described:
    """Demux to the end, decode enough to know that it plays, and describe it."""
    with film(fd, kind) as container:
        video = picture_stream(container)
        audio = next(iter(container.streams.audio), None)
        if video is not None and kind.media_type == "video":
            return kind, {
                **_describe_video(container, video),
                "has_audio": audio is not None,
                "audio_codec": audio.codec_context.name if audio is not None else None,
            }
        if audio is None:
            raise Rejected("The file has neither a picture nor sound.")
        sound = {"mp4": M4A, "mov": M4A, "matroska": WEBM_AUDIO}.get(kind.reader, kind)
        return sound, _describe_audio(container)


def _allowed(codec: str, known: frozenset[str]) -> str:
    if codec not in known:
        raise Rejected(f"The codec {codec[:20]} is not supported.")
    return codec


class _Track:
    """What the packets of one stream add up to."""

    def __init__(self) -> None:
        self.packets = 0
        self.start: Fraction | None = None
        self.end = Fraction(0)
        self.keys: list[int] = []


def _demux(container: InputContainer) -> dict[int, _Track]:
    tracks = {stream.index: _Track() for stream in container.streams}
    for packet in container.demux():
        if packet.size == 0:
            continue
        if packet.is_corrupt:
            raise Rejected("The file is cut off before its end.")
        track = tracks[packet.stream_index]
        track.packets += 1
        if packet.pts is not None:
            at = packet.pts * packet.time_base
            track.start = at if track.start is None else min(at, track.start)
            track.end = max(track.end, at + (packet.duration or 0) * packet.time_base)
            if packet.is_keyframe:
                track.keys.append(packet.pts)
    for stream in container.streams:
        if stream.type in ("video", "audio") and tracks[stream.index].packets < stream.frames:
            raise Rejected("The file is cut off before its end.")
    return tracks


def _describe_video(container: InputContainer, stream: VideoStream) -> dict[str, Any]:
    context = stream.codec_context
    codec = _allowed(context.name, _VIDEO_CODECS)
    check_pixels(context.width, context.height)
    track = _demux(container)[stream.index]
    if track.packets == 0:
        raise Rejected("The film has no frames.")
    first = _check_decodes(container, stream, track)
    turn = (-first.rotation) % 360
    width, height = display_size(stream, turn)
    duration = float(track.end - (track.start or 0))
    rate = stream.average_rate or stream.guessed_rate
    if duration <= 0 and rate:
        duration = track.packets / float(rate)
    return {
        "width": width,
        "height": height,
        "duration_s": round(duration, 3),
        "fps": round(float(rate), 3) if rate else None,
        "codec": {"libdav1d": "av1"}.get(codec, codec),
        "frames": track.packets,
        "rotation": turn,
    }


def display_size(stream: VideoStream, turn: int) -> tuple[int, int]:
    """Width and height as shown: square pixels, upright."""
    context = stream.codec_context
    aspect = stream.sample_aspect_ratio or Fraction(1)
    width = max(1, round(context.width * aspect)) if 0 < aspect < 8 else context.width
    height = context.height
    check_pixels(width, height)
    return (height, width) if turn in (90, 270) else (width, height)


def _check_decodes(container: InputContainer, stream: VideoStream, track: _Track) -> av.VideoFrame:
    """The first frame, after everything (a short film) or samples (a long one) decoded."""
    stream.thread_type = "AUTO"
    pixels = stream.codec_context.width * stream.codec_context.height
    first: av.VideoFrame | None = None
    container.seek(min(track.keys, default=0), stream=stream)
    if track.packets * pixels <= _DECODE_ALL:
        count = 0
        for frame in container.decode(stream):
            first = first or frame
            count += 1
        if count < track.packets * 0.9 - 2:
            raise Rejected("The film is damaged: frames are missing.")
    else:
        first = next(iter(container.decode(stream)), None)
        keys = sorted(track.keys)
        for key in sorted({keys[len(keys) // 4], keys[len(keys) // 2]} if keys else set()):
            container.seek(key, stream=stream)
            if next(iter(container.decode(stream)), None) is None:
                raise Rejected("The film is damaged: frames are missing.")
        container.seek(max(keys, default=0), stream=stream)
        if not sum(1 for _ in itertools.islice(container.decode(stream), _TAIL_FRAMES)):
            raise Rejected("The film is damaged: frames are missing.")
    if first is None:
        raise Rejected("The film has no frames.")
    return first


def _describe_audio(container: InputContainer) -> dict[str, Any]:
    stream = container.streams.audio[0]
    codec = _allowed(stream.codec_context.name, _AUDIO_CODECS)
    promised = float(container.duration / av.time_base) if container.duration else 0.0
    track = _demux(container)[stream.index]
    seconds = 0.0
    container.seek(0)
    for frame in container.decode(stream):
        seconds += frame.samples / (frame.sample_rate or 1)
        if seconds > _AUDIO_SECONDS:
            seconds = float(track.end - (track.start or 0))
            break
    if seconds <= 0:
        raise Rejected("The file has no sound.")
    if seconds < promised * 0.95 - 0.5:
        raise Rejected("The file is cut off before its end.")
    return {
        "duration_s": round(seconds, 3),
        "codec": codec,
        "audio_codec": codec,
        "has_audio": True,
        "frames": None,
        "rotation": 0,
    }


def colour_matrix(frame: av.VideoFrame) -> str | None:
    """For a frame that does not name its YUV matrix: the one that browsers guess by its size."""
    if frame.colorspace != 2:
        return None
    return "ITU709" if frame.height >= 720 else "ITU601"


def upright_image(frame: av.VideoFrame, size: tuple[int, int], turn: int) -> Image.Image:
    """One frame as RGB, upright, at `size` (as shown)."""
    across = size if turn not in (90, 270) else (size[1], size[0])
    picture = frame.reformat(
        width=across[0],
        height=across[1],
        format="rgb24",
        interpolation="AREA" if across[0] < frame.width else "BICUBIC",
        src_colorspace=colour_matrix(frame),
    )
    image = Image.fromarray(picture.to_ndarray())
    operation = {
        90: Image.Transpose.ROTATE_270,
        180: Image.Transpose.ROTATE_180,
        270: Image.Transpose.ROTATE_90,
    }.get(turn)
    return image if operation is None else image.transpose(operation)
