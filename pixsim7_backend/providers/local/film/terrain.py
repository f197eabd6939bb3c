"""Ridges: mountains with relief, rolling hills, dunes, and the trees that stand on them."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from pixsim7_backend.providers.local.film.canvas import Layer, mix
from pixsim7_backend.providers.local.film.noise import F32, f32, fbm, fbm_line, smoothstep
from pixsim7_backend.providers.local.film.setting import Setting


@dataclass(frozen=True)
class Ridge:
    """How one ridge is to be painted; heights are rows of the frame."""

    name: str
    depth: float
    base: float
    rise: float
    scale: float
    colour: F32
    mist: F32
    fade: float
    mist_amount: float = 0.5
    ridged: bool = False
    gain: float = 0.5
    relief: float = 0.0
    light: F32 | None = None
    snow: F32 | None = None
    snow_line: float = 0.3
    trees: float = 0.0
    tree_height: float = 0.0
    bowl: float = 0.0
    side: float = 1.0


def profile(setting: Setting, ridge: Ridge, length: int) -> F32:
    """The row of the crest at every column of the layer."""
    random = setting.rng(ridge.name)
    line = fbm_line(random, length, ridge.scale, octaves=8, gain=ridge.gain, ridged=ridge.ridged)
    if ridge.ridged:
        line += 0.6 * fbm_line(random, length, ridge.scale * 2.2, octaves=2)
    line = np.tanh(line * 0.42) * 1.3
    crest = ridge.base - ridge.rise * (0.45 + 0.55 * line)
    if ridge.bowl:
        x = np.abs(np.arange(length) - length / 2) / (setting.width / 2)
        crest -= ridge.bowl * np.clip(x, 0, 1.4) ** 2.2
    return f32(crest.astype(np.float32))


def paint_ridges(setting: Setting, ridges: list[Ridge], horizon: float) -> list[Layer]:
    """All of them, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        nearer: list[Ridge | None] = [*ridges[1:], None]
        return list(pool.map(lambda r, n: paint_ridge(setting, r, horizon, n), ridges, nearer))


def paint_ridge(
    setting: Setting, ridge: Ridge, horizon: float, nearer: Ridge | None = None
) -> Layer:
    """A ridge with air in front of its foot, relief and snow on its flanks, trees on its back."""
    margin = setting.margin(ridge.depth)
    width = setting.width + 2 * margin
    crest = profile(setting, ridge, width)
    head = ridge.tree_height * 1.3 + 3
    top = int(np.floor(crest.min() - head))
    bottom = setting.height + int(setting.camera.reach_y * ridge.depth) + 2
    if nearer is not None:
        # What the next ridge surely hides need not be painted.
        hidden = nearer.base + 0.3 * nearer.rise + 0.15 * setting.height + setting.camera.reach_y
        bottom = min(bottom, int(hidden))
    rows = max(8, bottom - top)
    y = np.arange(top, top + rows, dtype=np.float32)[:, None]
    below = y - crest[None, :]
    alpha = np.clip(below + 0.5, 0, 1)
    if ridge.trees > 0:
        alpha = np.maximum(alpha, _treeline(setting, ridge, crest, top, rows))
    shade = np.ones((rows, width), np.float32)
    colour = np.empty((3, rows, width), np.float32)
    colour[:] = ridge.colour[:, None, None]
    depth_in = np.maximum(below, 0)
    if ridge.relief > 0 or ridge.snow is not None:
        shade = _relief(setting, ridge, depth_in)
    if ridge.snow is not None:
        line = ridge.rise * ridge.snow_line * (1 + 0.35 * shade)
        altitude = (crest.max() - crest)[None, :] / max(1.0, float(np.ptp(crest)))
        snow = smoothstep(
            0.0, 1.0, (line * (0.25 + 1.25 * altitude) - depth_in) / (ridge.rise * 0.09)
        )
        lit = ridge.snow[:, None, None] * (0.8 + 0.2 * np.clip(shade, -1.5, 1))
        colour += (lit - colour) * snow
    if ridge.relief > 0:
        colour *= 1 + ridge.relief * shade
        if ridge.light is not None:
            glow = np.clip(shade - 0.25, 0, 1.4) * np.exp(-depth_in / (ridge.rise * 1.2))
            colour += ridge.light[:, None, None] * (glow * ridge.relief * 0.4)
    air = smoothstep(0.0, 1.0, below / max(1.0, ridge.fade)) * ridge.mist_amount
    colour += (ridge.mist[:, None, None] - colour) * air
    np.clip(colour, 0, 1.2, out=colour)
    return Layer(colour, alpha.astype(np.float32), top, ridge.depth, margin, horizon)


def _relief(setting: Setting, ridge: Ridge, depth_in: F32) -> F32:
    """Light and shadow of spurs that run down from the crest: sideways slope of a noise whose
    coordinates follow the crest."""
    rows, width = depth_in.shape
    random = setting.rng(ridge.name, "relief")
    tall = rows + 8
    noise = fbm(random, width, tall, ridge.scale * 0.5, octaves=6, gain=0.55, ridged=ridge.ridged)
    warp = fbm(random, width, tall, ridge.scale * 0.8, octaves=2) * ridge.scale * 0.08
    index = np.clip(depth_in * 0.7, 0, tall - 1).astype(np.intp)
    columns = np.arange(width)[None, :]
    source = (columns + warp[index, columns]).astype(np.intp) % width
    step = max(1, round(setting.unit * 2))
    slope = np.roll(noise, -step, axis=1) - np.roll(noise, step, axis=1)
    slope /= float(slope.std()) or 1.0
    shade = slope[index, source] * 0.55 * ridge.side
    return f32(np.clip(shade, -1.6, 1.6).astype(np.float32))


def _treeline(setting: Setting, ridge: Ridge, crest: F32, top: int, rows: int) -> F32:
    """Coverage of conifers along the crest, drawn twice as large and reduced."""
    random = setting.rng(ridge.name, "trees")
    width = crest.size
    zoom = 2
    sheet = Image.new("L", (width * zoom, rows * zoom), 0)
    draw = ImageDraw.Draw(sheet)
    spacing = ridge.tree_height * 0.30 / ridge.trees
    clumps = fbm_line(random, width, setting.width * 0.25, octaves=4)
    x = 0.0
    while x < width:
        column = min(width - 1, int(x))
        density = float(clumps[column])
        x += spacing * float(random.uniform(0.5, 1.6)) * (1.0 if density > -0.6 else 2.6)
        size = ridge.tree_height * float(random.uniform(0.45, 1.0)) * (1 + 0.18 * density)
        foot = float(crest[column]) - top + size * 0.12
        conifer(draw, random, column * zoom, foot * zoom, size * zoom)
    small = sheet.resize((width, rows), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32) / np.float32(255)


def conifer(
    draw: ImageDraw.ImageDraw, random: np.random.Generator, x: float, foot: float, size: float
) -> None:
    """One fir: tiers of drooping branches, a little uneven on either side."""
    tiers = int(np.clip(size / 9, 4, 13))
    breadth = size * float(random.uniform(0.17, 0.24))
    left: list[tuple[float, float]] = []
    right: list[tuple[float, float]] = []
    for tier in range(tiers):
        down = (tier + 1) / tiers
        y = foot - size * (1 - down * 0.93)
        half = breadth * down**0.85
        a, b = half * random.uniform(0.7, 1.1), half * random.uniform(0.7, 1.1)
        left += [(x - a, y), (x - a * 0.42, y - size * 0.012)]
        right += [(x + b, y), (x + b * 0.42, y - size * 0.012)]
    draw.polygon([(x, foot - size), *left, *reversed(right)], fill=255)
    stem = max(1.0, size * 0.022)
    draw.rectangle([x - stem, foot - size * 0.1, x + stem, foot + size * 0.2], fill=255)


def airy(setting: Setting, steps: int, step: int, power: float = 0.85) -> F32:
    """Colour of the `step`-th of `steps` ridges, far (0) to near: air lies between."""
    near, far = setting.palette.near, setting.palette.far
    return mix(far, near, (step / max(1, steps - 1)) ** power)
