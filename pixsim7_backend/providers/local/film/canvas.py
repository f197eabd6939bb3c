"""Planar float pictures (3, height, width) in 0..1, and layers that a camera looks past."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pixsim7_backend.providers.local.film.noise import F32, f32

# Rows worked on at once: small enough that a strip of a few planes stays in the cache.
STRIP = 24
BLOCK = 32


@dataclass(frozen=True)
class View:
    """Where the camera is: sideways and upwards in pixels at depth 1, and how far it moved in."""

    x: float = 0.0
    y: float = 0.0
    dolly: float = 0.0


def rgb(code: str) -> F32:
    """A colour from its six hexadecimal digits."""
    return np.array([int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)], np.float32)


def mix(a: F32, b: F32, amount: float) -> F32:
    return (a + (b - a) * np.float32(amount)).astype(np.float32)


def luma(picture: F32) -> F32:
    weights = np.array([0.2126, 0.7152, 0.0722], np.float32)
    return np.tensordot(weights, picture, axes=1).astype(np.float32)


def gradient(stops: list[tuple[float, F32]], length: int) -> F32:
    """A smooth column of colours (3, length) through the given stops."""
    at = np.linspace(0, 1, length)
    places = [place for place, _ in stops]
    column = np.stack(
        [np.interp(at, places, [float(colour[c]) for _, colour in stops]) for c in range(3)]
    )
    # Straight segments show as creases in a sky; a box filter, three times, rounds them.
    width = max(1, length // 9)
    kernel = np.ones(width) / width
    for _ in range(2):
        padded = np.pad(column, ((0, 0), (width, width)), mode="edge")
        column = np.stack([np.convolve(row, kernel, "same") for row in padded])[:, width:-width]
    return column.astype(np.float32)


def over(out: F32, colour: F32, alpha: F32) -> None:
    """Lay a flat or full colour over `out` where alpha says so, in place."""
    target = colour[:, None, None] if colour.ndim == 1 else colour
    out += (target - out) * alpha


def add(out: F32, colour: F32, amount: F32) -> None:
    """Add light of one colour."""
    for start in range(0, out.shape[1], 2 * STRIP):
        rows = slice(start, start + 2 * STRIP)
        part = amount[rows]
        for plane, strength in zip(out[:, rows], colour, strict=True):
            if strength > 0.003:
                plane += part * np.float32(strength)


def lay(out: F32, alpha: F32, colour: F32 | None, left: float, top: float) -> None:
    """Composite at a fractional place; without a colour it only darkens."""
    _, height, width = out.shape
    ix, iy = math.floor(left), math.floor(top)
    fx, fy = np.float32(left - ix), np.float32(top - iy)
    x0, y0 = max(0, -ix), max(0, -iy)
    x1 = min(alpha.shape[1] - 1, width - ix)
    y1 = min(alpha.shape[0] - 1, height - iy)
    if x1 <= x0 or y1 <= y0:
        return

    def moved(plane: F32) -> F32:
        padded = plane[..., max(0, y0 - 1) : y1, max(0, x0 - 1) : x1]
        if x0 == 0:
            padded = np.concatenate([padded[..., :1] * 0, padded], axis=-1)
        if y0 == 0:
            padded = np.concatenate([padded[..., :1, :] * 0, padded], axis=-2)
        across = padded[..., 1:] * (1 - fx) + padded[..., :-1] * fx
        return f32(across[..., 1:, :] * (1 - fy) + across[..., :-1, :] * fy)

    patch = out[:, iy + y0 : iy + y1, ix + x0 : ix + x1]
    patch *= 1 - moved(alpha)
    if colour is not None:
        patch += moved(colour)


def shifted(texture: F32, x: float, y: float, width: int, height: int) -> F32:
    """A window of `texture` at a fractional place (at least one pixel inside its edges)."""
    x = min(max(x, 0.0), texture.shape[-1] - width)
    y = min(max(y, 0.0), texture.shape[-2] - height)
    ix, iy = int(x), int(y)
    fx, fy = np.float32(x - ix), np.float32(y - iy)
    extra = 1 if fy > 0.004 else 0
    rows = texture[..., iy : iy + height + extra, :]
    if fx > 0.004:
        start = rows[..., ix : ix + width]
        flat = rows[..., ix + 1 : ix + width + 1] - start
        flat *= fx
        flat += start
    else:
        flat = rows[..., ix : ix + width]
    if extra:
        lower = flat[..., 1:, :] - flat[..., :-1, :]
        lower *= fy
        lower += flat[..., :-1, :]
        flat = lower
    return flat


def paste_shifted(out: F32, texture: F32, x: float, y: float) -> None:
    """As `shifted`, straight into `out` and strip by strip: the work stays in the cache."""
    rows, width = out.shape[-2:]
    for start in range(0, rows, STRIP):
        stop = min(rows, start + STRIP)
        out[..., start:stop, :] = shifted(texture, x, y + start, width, stop - start)


def sampled(texture: F32, xs: F32, ys: F32) -> F32:
    """Bilinear samples on a grid of columns `xs` and rows `ys` (clamped to the edges)."""
    height, width = texture.shape[-2:]
    ys = np.clip(ys, 0, height - 1.001)
    xs = np.clip(xs, 0, width - 1.001)
    iy, ix = ys.astype(np.intp), xs.astype(np.intp)
    fy, fx = (ys - iy).astype(np.float32)[:, None], (xs - ix).astype(np.float32)
    # Only what is in view is read.
    first, last = int(ix[0]), int(ix[-1]) + 2
    ix -= first
    band = texture[..., first:last]
    rows = band[..., iy, :]
    rows += (band[..., iy + 1, :] - rows) * fy
    left = np.take(rows, ix, axis=-1)
    right = np.take(rows, ix + 1, axis=-1)
    right -= left
    right *= fx
    left += right
    return left


def paste_sampled(out: F32, texture: F32, xs: F32, ys: F32) -> None:
    """As `sampled`, strip by strip."""
    for start in range(0, out.shape[-2], STRIP):
        stop = min(out.shape[-2], start + STRIP)
        out[..., start:stop, :] = sampled(texture, xs, ys[start:stop])


class Layer:
    """A painted sheet in the world; its first column is `margin` pixels left of the frame."""

    def __init__(
        self, colour: F32, alpha: F32, top: int, depth: float, margin: int, horizon: float
    ) -> None:
        self.colour, self.alpha = colour, alpha
        self.top, self.depth, self.margin, self.horizon = top, depth, margin, horizon
        rows, width = alpha.shape
        # Premultiplied red, green, blue, and how much of what lies behind is left.
        self.sheet = np.empty((4, rows, width), np.float32)
        self.sheet[3] = 1 - alpha
        self.recolour(colour)
        open_rows = np.flatnonzero(alpha.min(axis=1) < 0.999)
        self.solid_from = int(open_rows[-1]) + 1 if open_rows.size else 0
        seen = np.flatnonzero(alpha.max(axis=1) > 0.001)
        self.first_row = max(0, int(seen[0]) - 1) if seen.size else rows
        # Which squares of the sheet hold anything: a trunk is narrow, a treetop small.
        down, across = -(-rows // BLOCK), -(-width // BLOCK)
        padded = np.zeros((down * BLOCK, across * BLOCK), bool)
        padded[:rows, :width] = alpha > 0.001
        squares = padded.reshape(down, BLOCK, across, BLOCK)
        self.blocks: npt.NDArray[np.bool_] = np.asarray(squares.any(axis=(1, 3)), dtype=bool)

    def recolour(self, colour: F32) -> None:
        np.multiply(colour, self.alpha, out=self.sheet[:3])

    def _rows(self, view: View, row: float) -> float:
        scale = 1 + view.dolly * self.depth
        return self.horizon + (self.top + row - self.horizon - view.y * self.depth) * scale

    def solid_at(self, view: View, height: int) -> int:
        """The first screen row below which nothing behind this layer can be seen."""
        if self.solid_from >= self.alpha.shape[0]:
            return height
        return min(height, max(0, int(np.ceil(self._rows(view, self.solid_from))) + 1))

    def draw(self, out: F32, view: View, until: int) -> None:
        """Paint the rows above `until`."""
        _, height, width = out.shape
        rows = self.alpha.shape[0]
        start = max(0, int(np.ceil(self._rows(view, self.first_row))))
        stop = min(until, height, int(self._rows(view, rows - 1)) + 1)
        solid = min(max(self.solid_at(view, height), start), stop)
        for low in range(start, solid, STRIP):
            high = min(solid, low + STRIP)
            for first, last in self._painted(view, low, high, width):
                piece = self._window(self.sheet, view, (low, high), (first, last), width)
                band = out[:, low:high, first:last]
                band *= piece[3]
                band += piece[:3]
        for low in range(solid, stop, STRIP):
            high = min(stop, low + STRIP)
            rows = (low, high)
            out[:, low:high] = self._window(self.sheet[:3], view, rows, (0, width), width)

    def _painted(self, view: View, low: int, high: int, width: int) -> list[tuple[int, int]]:
        """Runs of screen columns in which these rows hold anything at all."""
        scale = 1 + view.dolly * self.depth
        middle = self.horizon + view.y * self.depth - self.top
        ends = [middle + (row - self.horizon) / scale for row in (low, high)]
        first = max(0, int(ends[0]) // BLOCK)
        last = int(ends[1] + 1) // BLOCK + 1
        used = np.asarray(self.blocks[first:last].any(axis=0))
        edges = np.flatnonzero(np.diff(np.concatenate([[False], used, [False]]).astype(np.int8)))
        left, centre = self.margin + view.x * self.depth, width / 2
        places = centre + (edges * BLOCK - left - centre) * scale
        runs = [
            (max(0, int(a) - 2), min(width, int(b) + 3))
            for a, b in zip(places[0::2], places[1::2], strict=True)
        ]
        return [(a, b) for a, b in runs if b > a]

    def _window(
        self,
        texture: F32,
        view: View,
        rows: tuple[int, int],
        columns: tuple[int, int],
        width: int,
    ) -> F32:
        (start, stop), (first, last) = rows, columns
        scale = 1 + view.dolly * self.depth
        left = self.margin + view.x * self.depth
        if abs(scale - 1) < 1e-5:
            y = start + view.y * self.depth - self.top
            return shifted(texture, left + first, y, last - first, stop - start)
        centre = width / 2
        xs = left + centre + (np.arange(first, last, dtype=np.float32) - centre) / scale
        screen_rows = np.arange(start, stop, dtype=np.float32)
        ys = self.horizon + (screen_rows - self.horizon) / scale + view.y * self.depth - self.top
        return sampled(texture, xs, ys)


def draw_layers(out: F32, layers: list[Layer], view: View) -> None:
    """Far to near; rows that a nearer layer hides completely are not painted."""
    height = out.shape[1]
    limits: list[int] = []
    limit = height
    for layer in reversed(layers):
        limits.append(limit)
        limit = min(limit, layer.solid_at(view, height))
    for layer, until in zip(layers, reversed(limits), strict=True):
        layer.draw(out, view, until)
