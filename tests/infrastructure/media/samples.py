"""Real media, made on the spot."""

import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from PIL import Image


def scene(width: int, height: int, phase: float) -> npt.NDArray[np.uint8]:
    """A sky, a moving sun and a dark ground: something that a poster can be recognised by."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    y, x = y / height, x / width
    sky = np.stack([0.9 - 0.5 * y, 0.4 + 0.2 * y, 0.3 + 0.5 * (1 - y)], axis=2)
    sun = ((x - 0.2 - 0.6 * phase) ** 2 * (width / height) ** 2 + (y - 0.4) ** 2) < 0.01
    sky[sun] = (1.0, 0.95, 0.6)
    ground = y > 0.72 + 0.05 * np.sin(x * 9)
    sky[ground] = (0.08, 0.12, 0.1)
    texture = np.sin(x * 90) * np.sin(y * 70) * 0.03
    return np.asarray(np.clip((sky + texture[:, :, None]) * 255, 0, 255), np.uint8)


def film(
    path: Path,
    *,
    size: tuple[int, int] = (320, 180),
    seconds: float = 1.0,
    fps: int = 24,
    codec: str = "libx264",
    audio: str | None = None,
    black_s: float = 0.0,
    faststart: bool = True,
    format: str | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Encode `scene` over time, with a sine tone if an audio codec is given."""
    flags = {"movflags": "+faststart"} if faststart and path.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", format=format, options={**flags, **(options or {})}) as output:
        output.metadata["comment"] = "secret prompt"
        video: Any = output.add_stream(codec, rate=fps)
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        video.options = {"preset": "veryfast"} if codec == "libx264" else {"cpu-used": "8"}
        sound: Any = output.add_stream(audio, rate=48000) if audio else None
        scenes = [scene(*size, phase=number / 12) for number in range(12)]
        for number in range(int(seconds * fps)):
            picture = scenes[int(number * 12 / (seconds * fps))]
            if number / fps < black_s:
                picture = np.zeros_like(picture)
            output.mux(video.encode(av.VideoFrame.from_ndarray(picture)))
        output.mux(video.encode(None))
        if sound is not None:
            _tone(output, sound, seconds)
    return path


def turned(source: Path, target: Path) -> Path:
    """The same film with the note "show this a quarter turn clockwise"."""
    data = bytearray(source.read_bytes())
    at = data.index(b"tkhd") + 44
    matrix = (0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000)
    data[at : at + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in matrix)
    target.write_bytes(data)
    return target


def _tone(output: Any, stream: Any, seconds: float) -> None:
    total = int(seconds * 48000)
    wave = (np.sin(np.arange(total) * 2 * np.pi * 440 / 48000) * 8000).astype(np.int16)
    for at in range(0, total, 960):
        frame = av.AudioFrame.from_ndarray(wave[None, at : at + 960], "s16", "mono")
        frame.rate, frame.pts, frame.time_base = 48000, at, Fraction(1, 48000)
        output.mux(stream.encode(frame))
    output.mux(stream.encode(None))


def sound(path: Path, codec: str, seconds: float = 1.5) -> Path:
    with av.open(str(path), "w") as output:
        _tone(output, output.add_stream(codec, rate=48000), seconds)
    return path


def picture(
    path: Path, format: str, size: tuple[int, int] = (640, 360), mode: str = "RGB", **save: Any
) -> Path:
    image = Image.fromarray(scene(*size, phase=0.5)).convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(size))
    image.save(path, format, **save)
    return path


def animation(path: Path, format: str, frames: int = 6) -> Path:
    images = [Image.fromarray(scene(160, 90, n / frames)) for n in range(frames)]
    images[0].save(path, format, save_all=True, append_images=images[1:], duration=100)
    return path


def png_bomb(path: Path, width: int, height: int) -> Path:
    """A small PNG that says it unpacks to a huge picture."""

    def chunk(name: bytes, body: bytes) -> bytes:
        check = zlib.crc32(name + body).to_bytes(4, "big")
        return len(body).to_bytes(4, "big") + name + body + check

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x01\x00\x00\x00\x00"
    body = zlib.compress(bytes(10_000_000), 9)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )
    return path
