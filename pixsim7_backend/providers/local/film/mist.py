"""A bank of mist that drifts through a valley."""

import numpy as np

from pixsim7_backend.providers.local.film.canvas import View, shifted
from pixsim7_backend.providers.local.film.noise import F32, fbm, smoothstep
from pixsim7_backend.providers.local.film.setting import Setting


class Mist:
    """Noise under a soft band of rows, of one colour."""

    def __init__(
        self, setting: Setting, middle: float, spread: float, colour: F32, amount: float
    ) -> None:
        self.colour, self.width = colour, setting.width
        self.start = max(0, int(middle - spread * 2))
        stop = min(setting.height, int(middle + spread * 2))
        self.rows = max(2, stop - self.start)
        self.speed = setting.width * 0.012
        self.reach = int(self.speed * setting.duration) + setting.margin(1.0) * 2 + 8
        random = setting.rng("mist", round(middle))
        wide = setting.width + self.reach
        noise = fbm(random, wide, self.rows, spread * 1.6, octaves=5, gain=0.5, stretch=2.6)
        y = (np.arange(self.rows) + self.start - middle) / spread
        band = np.exp(-(y**2) * 1.1).astype(np.float32)[:, None]
        self.alpha = band * (0.35 + 0.65 * smoothstep(-1.3, 1.6, noise)) * np.float32(amount)

    def draw(self, out: F32, t: float, view: View, depth: float) -> None:
        height = out.shape[1]
        lift = int(view.y * depth)
        start = max(0, self.start - lift)
        stop = min(height, self.start - lift + self.rows)
        if stop <= start:
            return
        x = self.reach / 2 + view.x * depth + self.speed * (t * 0.8) * 0.5
        first = start - (self.start - lift)
        alpha = shifted(self.alpha[first : first + stop - start], x, 0, self.width, stop - start)
        band = out[:, start:stop]
        for plane, tone in zip(band, self.colour, strict=True):
            plane += (np.float32(tone) - plane) * alpha
