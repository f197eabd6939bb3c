"""Reads what was given: pictures as planar floats, films as frames."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageOps

from pixsim7_backend.providers.local.film.noise import F32
from pixsim7_backend.providers.local.film.request import FilmError

MAX_PIXELS = 100_000_000


def open_picture(path: Path) -> Image.Image:
    """Any common picture, upright, as RGB (on white where it is transparent)."""
    try:
        with Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise FilmError("The given image is too large.")
            image.draft("RGB", (2560, 2560))
            upright = ImageOps.exif_transpose(image)
            if "A" in upright.getbands() or "transparency" in upright.info:
                rgba = upright.convert("RGBA")
                ground = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
                return Image.alpha_composite(ground, rgba).convert("RGB")
            return upright.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise FilmError("The given image cannot be read.") from error


def cover(image: Image.Image, width: int, height: int) -> Image.Image:
    """Scaled and cropped around the middle, so that it fills the frame."""
    return ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS, centering=(0.5, 0.45))


def planar(image: Image.Image) -> F32:
    array = np.asarray(image, dtype=np.float32).transpose(2, 0, 1)
    return np.ascontiguousarray(array * np.float32(1 / 255))


@dataclass(frozen=True)
class FilmInfo:
    """What is known of a given film before its frames are read."""

    width: int
    height: int
    rate: Fraction
    frames: int


def film_info(path: Path) -> FilmInfo:
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            rate = Fraction(stream.average_rate or stream.guessed_rate or 24)
            rate = min(max(rate, Fraction(1)), Fraction(60)).limit_denominator(1001)
            frames = stream.frames
            if not frames and container.duration:
                frames = round(container.duration / 1_000_000 * rate)
            context = stream.codec_context
            return FilmInfo(context.width // 2 * 2, context.height // 2 * 2, rate, max(1, frames))
    except (av.error.FFmpegError, IndexError, ValueError) as error:
        raise FilmError("The given video cannot be read.") from error


def film_frames(path: Path, info: FilmInfo) -> Iterator[av.VideoFrame]:
    """All frames as yuv420p of the film's own size, times stripped."""
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            for frame in container.decode(stream):
                fresh = frame.reformat(width=info.width, height=info.height, format="yuv420p")
                fresh.pict_type = av.video.frame.PictureType.NONE
                yield fresh
    except av.error.FFmpegError as error:
        raise FilmError("The given video cannot be read.") from error


def frame_picture(frame: av.VideoFrame) -> F32:
    """One frame of a film as planar floats."""
    array = frame.to_ndarray(format="rgb24").astype(np.float32).transpose(2, 0, 1)
    return np.ascontiguousarray(array * np.float32(1 / 255))
