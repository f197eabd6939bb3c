"""Seeded noise: fractal textures and ridgelines, always the same for the same names."""

import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

F32 = npt.NDArray[np.float32]


def rng(seed: int, *names: object) -> np.random.Generator:
    """A generator of its own for every named part, so that parts do not disturb each other."""
    return np.random.default_rng([seed & 0xFFFFFFFF, zlib.crc32(repr(names).encode())])


def f32(values: Any) -> F32:
    """The arithmetic of arrays loses its type on the way; this gives it back."""
    return np.asarray(values, dtype=np.float32)


def smoothstep(low: float, high: float, x: npt.NDArray[Any]) -> F32:
    t = np.clip((x - low) / (high - low), 0, 1).astype(np.float32)
    return t * t * (3 - 2 * t)


def resize(plane: npt.NDArray[Any], width: int, height: int) -> F32:
    """Bicubic, for one plane of floats."""
    image = Image.fromarray(np.ascontiguousarray(plane, dtype=np.float32))
    return np.array(image.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float32)


def value_noise(
    random: np.random.Generator, width: int, height: int, cells_x: int, cells_y: int
) -> F32:
    """One octave that repeats at its own edges."""
    cells_x, cells_y = max(1, cells_x), max(1, cells_y)
    grid = random.standard_normal((cells_y, cells_x)).astype(np.float32)
    wrapped = np.pad(grid, 3, mode="wrap")
    image = Image.fromarray(wrapped)
    box = (3, 3, cells_x + 3, cells_y + 3)
    method = Image.Resampling.BICUBIC
    return np.array(image.resize((width, height), method, box=box), dtype=np.float32)


def fbm(
    random: np.random.Generator,
    width: int,
    height: int,
    scale: float,
    *,
    octaves: int = 5,
    gain: float = 0.5,
    stretch: float = 1.0,
    ridged: bool = False,
) -> F32:
    """Fractal noise with mean 0 and deviation 1; `scale` is the largest feature in pixels."""
    total = np.zeros((height, width), np.float32)
    weight = 1.0
    for octave in range(octaves):
        step = scale / 2**octave
        if step < 1.5:
            break
        cells_x = max(1, round(width / (step * stretch)))
        layer = value_noise(random, width, height, cells_x, max(1, round(height / step)))
        if ridged:
            layer = f32(0.8 - np.abs(layer))
        total += layer * np.float32(weight)
        weight *= gain
    return normal(total)


def normal(plane: F32) -> F32:
    deviation = float(plane.std()) or 1.0
    return f32(((plane - plane.mean()) / deviation).astype(np.float32))


def fbm_line(
    random: np.random.Generator,
    length: int,
    scale: float,
    *,
    octaves: int = 6,
    gain: float = 0.5,
    ridged: bool = False,
) -> F32:
    """Fractal noise along a line, mean 0 and deviation 1: the profile of a hill."""
    positions = np.arange(length, dtype=np.float64)
    total: npt.NDArray[np.float64] = np.zeros(length)
    weight = 1.0
    for octave in range(octaves):
        step = scale / 2**octave
        if step < 1.5:
            break
        knots = random.standard_normal(int(length / step) + 4)
        x = positions / step + random.random()
        i = x.astype(int)
        f = x - i
        if not ridged or octave > 3:
            f = f * f * (3 - 2 * f)
        value = knots[i] * (1 - f) + knots[i + 1] * f
        total += weight * (0.9 - 1.6 * np.abs(value) if ridged and octave < 2 else value)
        weight *= gain
    return normal(total.astype(np.float32))


def blur(plane: F32, radius: float) -> F32:
    """A wide, cheap blur: shrink and enlarge with smooth kernels."""
    height, width = plane.shape
    shrink = max(1.0, radius)
    small_w, small_h = max(2, round(width / shrink)), max(2, round(height / shrink))
    image = Image.fromarray(np.ascontiguousarray(plane, dtype=np.float32))
    small = image.resize((small_w, small_h), Image.Resampling.HAMMING)
    return np.array(small.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float32)


def warped(plane: F32, random: np.random.Generator, scale: float, amount: float) -> F32:
    """The plane pushed about by another noise, which hides the lattice it was made on."""
    height, width = plane.shape
    dx = fbm(random, width, height, scale, octaves=2) * np.float32(amount)
    dy = fbm(random, width, height, scale, octaves=2) * np.float32(amount)
    x = (np.arange(width, dtype=np.float32)[None, :] + dx) % (width - 1)
    y = (np.arange(height, dtype=np.float32)[:, None] + dy) % (height - 1)
    return bilinear(plane, x, y)


def bilinear(plane: F32, x: F32, y: F32) -> F32:
    """Samples at any places inside the plane."""
    height, width = plane.shape
    x, y = np.clip(x, 0, width - 1.01), np.clip(y, 0, height - 1.01)
    ix, iy = x.astype(np.int32), y.astype(np.int32)
    fx, fy = x - ix, y - iy
    index = iy * width + ix
    flat = plane.reshape(-1)
    top = np.take(flat, index)
    top += (np.take(flat, index + 1) - top) * fx
    index += width
    low = np.take(flat, index)
    low += (np.take(flat, index + 1) - low) * fx
    top += (low - top) * fy
    return f32(top)
