"""Small real pictures and films to try things with: made on the spot, the same each time."""

import io
import math
from collections.abc import Iterator

import av
import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]


def sample_picture(number: int, size: tuple[int, int]) -> bytes:
    """A JPEG whose colours and shapes follow from the number."""
    buffer = io.BytesIO()
    Image.fromarray(_scene(number, size, 0.0)).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def sample_film(number: int, size: tuple[int, int], seconds: int, fps: int = 12) -> bytes:
    """An H.264 film of the picture of that number, with its sun on the move."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as output:
        stream = output.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = size[0], size[1], "yuv420p"
        stream.options = {"preset": "veryfast", "crf": "26"}
        for picture in _frames(number, size, seconds * fps):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        output.mux(stream.encode(None))
    return buffer.getvalue()


def _frames(number: int, size: tuple[int, int], total: int) -> Iterator[Pixels]:
    for frame in range(total):
        yield _scene(number, size, frame / total)


def _scene(number: int, size: tuple[int, int], phase: float) -> Pixels:
    """A sky, a sun, and hills before it."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    y, x = y / height, x / width
    turn = number * 2.399963  # the golden angle: neighbours look different
    top, low = _colour(turn), _colour(turn + 1.1)
    picture = top + (low - top) * y[:, :, None]
    at = (0.2 + 0.6 * phase, 0.35 + 0.1 * math.sin(turn))
    far = (x - at[0]) ** 2 * (width / height) ** 2 + (y - at[1]) ** 2
    picture += 0.6 * np.exp(-far * 60)[:, :, None]
    for layer in range(3):
        line = 0.6 + 0.13 * layer + 0.07 * np.sin(x * (5 + 3 * layer) + turn * (layer + 1))
        picture[y > line] = _colour(turn + 2.2) * (0.45 - 0.12 * layer)
    return np.asarray(np.clip(picture * 255, 0, 255), np.uint8)


def _colour(angle: float) -> npt.NDArray[np.float32]:
    return np.asarray([0.5 + 0.4 * math.sin(angle + third) for third in (0, 2.1, 4.2)], np.float32)
