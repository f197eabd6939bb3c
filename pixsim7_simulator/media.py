"""Small but real media: rendered once per shape, and made unique per result for free."""

import asyncio
import hashlib
import io
import math
import tempfile
import zlib
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

_RATE = 24
_AUDIO_RATE = 44_100
_VARIANTS = 48


@dataclass(frozen=True, slots=True)
class MediaSpec:
    """All that decides the picture; equal specs share one rendering."""

    kind: Literal["video", "image"]
    width: int
    height: int
    seconds: float = 0.0
    variant: int = 0
    audio: bool = False

    @property
    def suffix(self) -> str:
        return "mp4" if self.kind == "video" else "png"

    @property
    def content_type(self) -> str:
        return "video/mp4" if self.kind == "video" else "image/png"


def variant_of(prompt: str, seed: int) -> int:
    """The look of a prompt and seed: a small number, so that the cache stays small too."""
    digest = hashlib.blake2b(f"{seed}:{prompt}".encode(), digest_size=4).digest()
    return int.from_bytes(digest) % _VARIANTS


def tiny(spec: MediaSpec) -> MediaSpec:
    """The cheap stand-in for load tests."""
    return MediaSpec(spec.kind, 64, 36, 1.0 if spec.kind == "video" else 0.0, spec.variant % 4)


class MediaStore:
    """Renders in one thread, keeps the most recent renderings up to a budget."""

    def __init__(self, *, budget: int = 256 * 1024 * 1024) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="media")
        self._cache: OrderedDict[MediaSpec, asyncio.Task[bytes]] = OrderedDict()
        self._budget = budget
        self._size = 0

    async def get(self, spec: MediaSpec, stamp: str) -> bytes:
        """The file of one result: the shared rendering, and a stamp that makes it unique."""
        return _stamped(spec, await self._base(spec), stamp)

    def prefetch(self, spec: MediaSpec) -> None:
        """Render ahead, so that the first poll of a finished generation need not wait."""
        if spec not in self._cache:
            self._cache[spec] = asyncio.get_running_loop().create_task(self._render(spec))

    def close(self) -> None:
        for task in self._cache.values():
            task.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _base(self, spec: MediaSpec) -> bytes:
        self.prefetch(spec)
        self._cache.move_to_end(spec)
        task = self._cache[spec]
        # Shielded, because others may wait for the same rendering.
        return task.result() if task.done() else await asyncio.shield(task)

    async def _render(self, spec: MediaSpec) -> bytes:
        render = render_video if spec.kind == "video" else render_image
        content = await asyncio.get_running_loop().run_in_executor(self._thread, render, spec)
        self._size += len(content)
        while self._size > self._budget:
            oldest = next(iter(self._cache.values()))
            if not oldest.done():
                break
            self._size -= len(self._cache.popitem(last=False)[1].result())
        return content


def _stamped(spec: MediaSpec, base: bytes, stamp: str) -> bytes:
    payload = stamp.encode()
    if spec.kind == "video":  # a `free` box is legal anywhere at the top level of an MP4
        return b"".join((base, (len(payload) + 8).to_bytes(4), b"free", payload))
    text = b"tEXtComment\0" + payload
    chunk = (len(text) - 4).to_bytes(4) + text + zlib.crc32(text).to_bytes(4)
    return base[:-12] + chunk + base[-12:]  # before the closing IEND chunk


def render_image(spec: MediaSpec) -> bytes:
    luma, chroma = _planes(spec, 0.0)
    tint = [np.full_like(luma, value) for value in chroma]
    buffer = io.BytesIO()
    Image.fromarray(np.dstack((luma, *tint)), "YCbCr").convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


def render_video(spec: MediaSpec) -> bytes:
    # A real file, because moving the index to the front needs to reopen the output.
    with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
        with av.open(file.name, "w", format="mp4", options={"movflags": "+faststart"}) as container:
            _encode(container, spec)
        return file.read()


def _encode(container: Any, spec: MediaSpec) -> None:
    frames = max(1, round(spec.seconds * _RATE))
    video = container.add_stream(
        "libx264", rate=_RATE, options={"preset": "ultrafast", "crf": "30"}
    )
    video.width, video.height, video.pix_fmt = spec.width, spec.height, "yuv420p"
    sound = container.add_stream("aac", rate=_AUDIO_RATE, layout="mono") if spec.audio else None
    for number in range(frames):
        luma, chroma = _planes(spec, number / frames)
        halves = [np.full(luma.size // 4, value, np.uint8) for value in chroma]
        picture = np.concatenate((luma.reshape(-1), *halves)).reshape(-1, spec.width)
        container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="yuv420p")))
    container.mux(video.encode())
    if sound is not None:
        for start in range(0, int(spec.seconds * _AUDIO_RATE), 1024):
            moment = np.arange(start, start + 1024, dtype=np.float32) / _AUDIO_RATE
            wave = (0.1 * np.sin(math.tau * (220 + 10 * spec.variant) * moment)).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(wave.reshape(1, -1), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = _AUDIO_RATE, start
            container.mux(sound.encode(frame))
        container.mux(sound.encode())


def _planes(spec: MediaSpec, phase: float) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """A diagonal gradient that travels once over the picture, in the variant's colour."""
    across = np.arange(spec.width) / spec.width
    down = np.arange(spec.height) / spec.height
    wave = np.sin(math.tau * (across[None, :] + phase)) + np.sin(math.tau * (down[:, None] - phase))
    angle = math.tau * (spec.variant / _VARIANTS + phase / 8)
    chroma = (round(128 + 60 * math.cos(angle)), round(128 + 60 * math.sin(angle)))
    return (126 + 50 * wave).astype(np.uint8), chroma
