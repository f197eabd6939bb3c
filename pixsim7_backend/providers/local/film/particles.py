"""Small soft lights and flakes, placed with sub-pixel precision."""

import numpy as np

from pixsim7_backend.providers.local.film.noise import F32


def splat(out: F32, x: F32, y: F32, radius: float, strength: F32, colour: F32) -> None:
    """Add round soft dots of one size at (x, y)."""
    _, height, width = out.shape
    sigma = max(0.45, radius / 1.8)
    reach = max(1, int(np.ceil(sigma * 2.3)))
    inside = (x > -reach) & (x < width + reach) & (y > -reach) & (y < height + reach)
    x, y, strength = x[inside], y[inside], strength[inside]
    if not x.size:
        return
    offsets = np.arange(-reach, reach + 1)
    ix, iy = np.rint(x).astype(np.intp), np.rint(y).astype(np.intp)
    columns, rows = ix[:, None] + offsets, iy[:, None] + offsets
    wx = np.exp(-((columns - x[:, None]) ** 2) / (2 * sigma * sigma)).astype(np.float32)
    wy = np.exp(-((rows - y[:, None]) ** 2) / (2 * sigma * sigma)).astype(np.float32)
    wx *= (columns >= 0) & (columns < width)
    wy *= (rows >= 0) & (rows < height)
    flat = np.clip(rows, 0, height - 1)[:, :, None] * width
    flat = (flat + np.clip(columns, 0, width - 1)[:, None, :]).ravel()
    weight = (wy[:, :, None] * wx[:, None, :] * strength[:, None, None]).ravel()
    for plane, tint in zip(out, colour, strict=True):
        if tint > 0.003:
            np.add.at(plane.reshape(-1), flat, weight * np.float32(tint))
