"""A surface of water: mirrors what stands above it, rippled in perspective."""

import numpy as np

from pixsim7_backend.providers.local.film.canvas import View, mix
from pixsim7_backend.providers.local.film.noise import F32, fbm, smoothstep
from pixsim7_backend.providers.local.film.setting import Setting

TILE = 512


class Water:
    """Fills the frame from row `top` down; `calm` is a lake, otherwise the open sea."""

    def __init__(
        self,
        setting: Setting,
        top: int,
        *,
        calm: bool = False,
        sun_x: float | None = None,
        colour: F32 | None = None,
        dark: float = 0.35,
        ripple: float = 1.0,
    ) -> None:
        self.setting, self.top = setting, top
        width, height = setting.width, setting.height
        self.rows = rows = height - top
        random = setting.rng("water")
        self.waves = [
            np.ascontiguousarray(
                fbm(random, TILE, TILE, TILE / n, octaves=6, gain=0.58, stretch=s)
            ).reshape(-1)
            for n, s in ((4, 1.5), (7, 2.2))
        ]
        row = np.arange(rows, dtype=np.float32)[:, None]
        x = np.arange(width, dtype=np.float32)[None, :] - width / 2
        near = (row + 1) / rows
        depth = 1 / (near + 0.012)
        unit = setting.unit
        self.u = (x * depth * (0.8 / unit)).astype(np.int32) + 8 * TILE
        self.v = np.repeat((depth * (1.5 * rows / unit)).astype(np.int32), width, axis=1) + 8 * TILE
        strength = (0.16 if calm else 0.62) * ripple
        damp = smoothstep(0.0, 0.09, near)
        self.push = (strength * rows * (0.03 + 0.30 * near) * (0.25 + 0.75 * damp)).astype(
            np.float32
        )
        self.sideways = (self.push * np.float32(0.35)).astype(np.float32)
        squeeze = 1.0 if calm else 0.85
        self.mirror = top - 2 - row * squeeze
        self.columns = np.arange(width, dtype=np.float32)[None, :]
        deep = (
            colour if colour is not None else mix(setting.palette.near, setting.palette.sky[1], 0.4)
        )
        keep = (0.92 - dark * near**0.7).astype(np.float32)
        self.keep = np.repeat(keep, width, axis=1)
        self.tint = deep[:, None, None] * (1 - keep)[None]
        self.glitter: F32 | None = None
        if sun_x is not None:
            lane = (0.035 + 0.16 * near) * height
            away = (self.columns - np.float32(sun_x)) / lane
            self.glitter = (np.exp(-away * away) * (0.35 + 0.65 * damp)).astype(np.float32)

    def slope(self, t: float) -> F32:
        """Two trains of waves that cross."""
        fast = t * 80
        a = ((self.v + int(fast)) & (TILE - 1)) * TILE + ((self.u + int(t * 12)) & (TILE - 1))
        b = ((self.v + int(fast * 0.62 + 77)) & (TILE - 1)) * TILE
        b += (self.u - int(t * 20)) & (TILE - 1)
        wave = np.take(self.waves[0], a)
        wave += np.take(self.waves[1], b)
        return wave

    def draw(self, out: F32, t: float, view: View) -> None:
        width, rows = out.shape[2], self.rows
        slope = self.slope(t)
        source_row = self.mirror + slope * self.push
        # Beyond the zenith or the horizon the mirror folds back, where clamping would show.
        np.minimum(source_row, 2 * (self.top - 1) - source_row, out=source_row)
        np.abs(source_row, out=source_row)
        np.minimum(source_row, self.top - 1, out=source_row)
        source = self.columns + slope * self.sideways
        np.clip(source, 0, width - 1, out=source)
        index = source_row.astype(np.int32)
        index *= width
        index += source.astype(np.int32)
        water = out[:, self.top : self.top + rows]
        for c in range(3):
            plane = np.take(out[c].reshape(-1), index)
            plane *= self.keep
            plane += self.tint[c]
            water[c] = plane
        if self.glitter is not None:
            spark = slope - np.float32(0.35)
            np.clip(spark, 0, 1.3, out=spark)
            spark *= self.glitter
            light = self.setting.palette.sun
            for c in range(3):
                water[c] += spark * np.float32(light[c] * 0.62)
