"""Helpers: render small things and look at their pixels."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from PIL import Image

from pixsim7_backend.providers.local.film import FilmRequest, render

Pixels = npt.NDArray[np.float32]


def film(request: FilmRequest, path: Path) -> Path:
    render(request, path, progress=lambda share: None, is_cancelled=lambda: False)
    return path


def frames_of(path: Path) -> list[Pixels]:
    """Every frame as (height, width, 3) in 0..1."""
    with av.open(str(path)) as container:
        return [
            frame.to_ndarray(format="rgb24").astype(np.float32) / np.float32(255)
            for frame in container.decode(video=0)
        ]


def facts_of(path: Path) -> tuple[str, str, int, int, Fraction | None, float]:
    """Codec, pixel format, width, height, rate and seconds."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        seconds = float((container.duration or 0) / 1_000_000)
        return (
            context.name,
            str(context.pix_fmt),
            context.width,
            context.height,
            stream.average_rate,
            seconds,
        )


def picture_of(path: Path) -> Pixels:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), dtype=np.float32) / np.float32(255)


def apart(a: Pixels, b: Pixels) -> float:
    """Mean absolute difference, 0..1."""
    return float(np.abs(a - b).mean())


def painted(path: Path, colours: tuple[str, str], size: tuple[int, int] = (640, 360)) -> Path:
    """A picture of two halves with a disc between, to be recognised afterwards."""
    width, height = size
    image = Image.new("RGB", size, colours[0])
    image.paste(colours[1], (width // 2, 0, width, height))
    disc = Image.new("L", size, 0)
    y, x = np.mgrid[0:height, 0:width]
    inside = (x - width / 2) ** 2 + (y - height / 2) ** 2 < (height / 4) ** 2
    disc = Image.fromarray((inside * 255).astype(np.uint8))
    image.paste("white", (0, 0), disc)
    image.save(path)
    return path
