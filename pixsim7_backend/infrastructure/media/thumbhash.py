"""ThumbHash: a picture's blurred look, shape and colour in about 25 bytes.

Written from the public format: a 5-byte header (average colour, scales, shape), one more byte when
there is transparency, then the 4-bit coefficients of a triangular cosine transform of luminance,
yellow-blue, red-green and alpha.
"""

import base64
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

_Floats = npt.NDArray[np.float64]


def _round(value: float) -> int:
    return int(np.floor(value + 0.5))


def _order(nx: int, ny: int) -> Iterator[tuple[int, int]]:
    """The kept frequencies without the constant one, in the order of the format."""
    for cy in range(ny):
        cx = 0 if cy else 1
        while cx * ny < nx * (ny - cy):
            yield cx, cy
            cx += 1


def _cosines(size: int, count: int) -> _Floats:
    angles = np.pi / size * np.outer(np.arange(count), np.arange(size) + 0.5)
    return np.asarray(np.cos(angles), np.float64)


def _analyse(channel: _Floats, nx: int, ny: int) -> tuple[float, list[float], float]:
    height, width = channel.shape
    table = _cosines(height, ny) @ channel @ _cosines(width, nx).T / (width * height)
    waves = [float(table[cy, cx]) for cx, cy in _order(nx, ny)]
    scale = max(map(abs, waves), default=0.0)
    if scale > 0:
        waves = [0.5 + 0.5 / scale * wave for wave in waves]
    return float(table[0, 0]), waves, scale


def encode(rgba: npt.NDArray[np.uint8]) -> str:
    """The base64 hash of a picture of at most 100 x 100 pixels, shape (height, width, 4)."""
    height, width = rgba.shape[:2]
    if rgba.shape[2:] != (4,) or not (1 <= width <= 100 and 1 <= height <= 100):
        raise ValueError("thumbhash wants RGBA of at most 100 x 100 pixels")
    pixels = rgba.astype(np.float64) / 255
    alpha = pixels[:, :, 3]
    weight = float(alpha.sum())
    average = (pixels[:, :, :3] * alpha[:, :, None]).sum(axis=(0, 1)) / (weight or 1.0)
    has_alpha = weight < width * height - 1e-9
    mixed = average * (1 - alpha[:, :, None]) + pixels[:, :, :3] * alpha[:, :, None]
    red, green, blue = mixed[:, :, 0], mixed[:, :, 1], mixed[:, :, 2]

    most, longest = (5 if has_alpha else 7), max(width, height)
    lx = max(1, _round(most * width / longest))
    ly = max(1, _round(most * height / longest))
    l_dc, l_ac, l_scale = _analyse((red + green + blue) / 3, max(3, lx), max(3, ly))
    p_dc, p_ac, p_scale = _analyse((red + green) / 2 - blue, 3, 3)
    q_dc, q_ac, q_scale = _analyse(red - green, 3, 3)

    landscape = width > height
    head = (
        _round(63 * l_dc)
        | _round(31.5 + 31.5 * p_dc) << 6
        | _round(31.5 + 31.5 * q_dc) << 12
        | _round(31 * l_scale) << 18
        | has_alpha << 23
    )
    shape = (
        (ly if landscape else lx)
        | _round(63 * p_scale) << 3
        | _round(63 * q_scale) << 9
        | landscape << 15
    )
    out = bytearray(head.to_bytes(3, "little") + shape.to_bytes(2, "little"))
    waves = l_ac + p_ac + q_ac
    if has_alpha:
        a_dc, a_ac, a_scale = _analyse(alpha, 5, 5)
        out.append(_round(15 * a_dc) | _round(15 * a_scale) << 4)
        waves += a_ac
    nibbles = [_round(15 * wave) for wave in waves] + [0] * (len(waves) % 2)
    out += bytes(low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2], strict=True))
    return base64.b64encode(bytes(out)).decode("ascii")


def decode(text: str) -> npt.NDArray[np.uint8]:
    """The blurred RGBA picture, 32 pixels on its long side."""
    data = base64.b64decode(text, validate=True)
    head, shape = int.from_bytes(data[:3], "little"), int.from_bytes(data[3:5], "little")
    has_alpha, landscape = bool(head >> 23), bool(shape >> 15)
    full, part = (5 if has_alpha else 7), shape & 7
    lx, ly = max(3, full if landscape else part), max(3, part if landscape else full)
    ratio = (full if landscape else part) / (part if landscape else full)
    width = _round(32 if ratio > 1 else 32 * ratio)
    height = _round(32 / ratio if ratio > 1 else 32)
    nibbles = iter(
        [value for byte in data[6 if has_alpha else 5 :] for value in (byte & 15, byte >> 4)]
    )

    def synthesise(dc: float, nx: int, ny: int, scale: float) -> _Floats:
        across, down = _cosines(width, nx), _cosines(height, ny)
        total = np.full((height, width), dc)
        for cx, cy in _order(nx, ny):
            total += (next(nibbles) / 7.5 - 1) * scale * 2 * np.outer(down[cy], across[cx])
        return total

    light = synthesise((head & 63) / 63, lx, ly, (head >> 18 & 31) / 31)
    p = synthesise((head >> 6 & 63) / 31.5 - 1, 3, 3, (shape >> 3 & 63) / 63 * 1.25)
    q = synthesise((head >> 12 & 63) / 31.5 - 1, 3, 3, (shape >> 9 & 63) / 63 * 1.25)
    alpha = np.ones_like(light)
    if has_alpha:
        alpha = synthesise((data[5] & 15) / 15, 5, 5, (data[5] >> 4) / 15)
    blue = light - 2 / 3 * p
    red = (3 * light - blue + q) / 2
    picture = np.stack([red, red - q, blue, alpha], axis=2)
    return np.asarray(np.clip(picture * 255, 0, 255), np.uint8)
