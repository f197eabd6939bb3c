"""The open sea: swell towards a low sun, perhaps a sail, an island, a lighthouse."""

import math

import numpy as np
from PIL import Image, ImageDraw

from pixsim7_backend.providers.local.film.canvas import Layer, View, draw_layers, mix, rgb
from pixsim7_backend.providers.local.film.noise import F32
from pixsim7_backend.providers.local.film.particles import splat
from pixsim7_backend.providers.local.film.setting import Setting
from pixsim7_backend.providers.local.film.sky import Sky
from pixsim7_backend.providers.local.film.terrain import Ridge, paint_ridge
from pixsim7_backend.providers.local.film.water import Water

DEEP = {
    "day": "0b4f78", "sunrise": "3a4a78", "overcast": "3a4c58", "storm": "10181e",
    "night": "02060f", "dusk": "0c1434", "sunset": "2a1838",
}  # fmt: skip


class Sea:
    """Sky above, waves below, something on the horizon."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        brief, palette = setting.brief, setting.palette
        w, h = setting.width, setting.height
        random = setting.rng("sea")
        self.horizon = int(h * float(random.uniform(0.5, 0.58)))
        self.sky = Sky(setting, self.horizon)
        unit = min(w, h)
        self.layers: list[Layer] = []
        if brief.has("island") or brief.has("lighthouse") or random.random() < 0.4:
            distant = mix(palette.far, palette.near, 0.35)
            ridge = Ridge(
                "island", 0.12, self.horizon - 0.004 * h, 0.075 * h, unit * 0.5, distant,
                mix(palette.far, palette.sky[4], 0.5), 0.09 * h, 0.6, gain=0.5,
                relief=0.12 if brief.light == "day" else 0.06,
            )  # fmt: skip
            self.layers.append(self._island(ridge, random))
        sun = self.sky.sun_x - self.sky.margin if palette.sun_size > 0 else None
        storm = brief.light == "storm"
        self.water = Water(
            setting, self.horizon, sun_x=sun, colour=rgb(DEEP.get(brief.light, "0b3a58")),
            dark=0.78 if brief.light == "day" else 0.5, ripple=1.5 if storm else 1.0,
        )  # fmt: skip
        self.boat = Boat(setting, self.horizon) if brief.has("boat") else None
        self.beam = brief.has("lighthouse")

    def _island(self, ridge: Ridge, random: np.random.Generator) -> Layer:
        """Land only on one side: the ridge is pressed below the horizon elsewhere."""
        layer = paint_ridge(self.setting, ridge, self.horizon)
        width = layer.alpha.shape[1]
        middle = width * float(random.choice([0.2, 0.78]))
        x = (np.arange(width) - middle) / (0.24 * self.setting.width)
        gate = np.exp(-(x**4)).astype(np.float32)
        rows, foot = layer.alpha.shape[0], self.horizon - layer.top
        keep = np.zeros_like(layer.alpha)
        for column in range(width):
            drop = int((1 - gate[column]) * foot)
            if drop < foot:
                keep[drop:foot, column] = layer.alpha[: foot - drop, column]
        cut = max(2, min(rows, foot + 1))
        return Layer(
            layer.colour[:, :cut], keep[:cut], layer.top, layer.depth, layer.margin, self.horizon
        )

    def draw(self, out: F32, t: float, view: View) -> None:
        flat = View(view.x, 0.0, 0.0)
        self.sky.draw(out, t, flat, self.horizon + 1)
        draw_layers(out, self.layers, flat)
        boat = self.boat.place(t, view) if self.boat is not None else None
        if self.boat is not None and boat is not None:
            self.boat.draw_hull(out, *boat)
        self.water.draw(out, t, view)
        if self.boat is not None and boat is not None:
            self.boat.draw_hull(out, *boat, below=True)
        self.sky.spill(out, t)
        if self.beam:
            self._lamp(out, t, view)

    def _lamp(self, out: F32, t: float, view: View) -> None:
        layer = self.layers[0]
        covered = np.argmax(layer.alpha > 0.5, axis=0).astype(np.float32)
        covered[layer.alpha.max(axis=0) < 0.5] = 1e6
        column = int(np.argmin(covered))
        x = np.array([column - layer.margin - view.x * layer.depth], np.float32)
        y = np.array([layer.top + covered[column] - 3], np.float32)
        turn = max(0.12, math.cos(t * 1.6)) ** 3
        unit = self.setting.unit
        for radius, power in ((26 * unit, 0.35), (2.4 * unit, 1.0)):
            splat(out, x, y, radius, np.array([power * turn], np.float32), rgb("ffe9a8"))


class Boat:
    """A small sailing boat that rolls on the swell."""

    def __init__(self, setting: Setting, horizon: int) -> None:
        self.setting, self.horizon = setting, horizon
        random = setting.rng("boat")
        self.x = float(random.uniform(0.25, 0.75))
        self.direction = float(random.choice([-1, 1]))
        self.size = 0.2 * min(setting.width, setting.height)

    def place(self, t: float, view: View) -> tuple[float, float, float]:
        x = (self.x + self.direction * 0.008 * t) * self.setting.width - view.x * 0.3
        swell = math.sin(t * 1.1) * 0.004 + math.sin(t * 0.7 + 1) * 0.003
        y = self.horizon + 0.045 * self.setting.height + swell * self.setting.height
        return x, y, math.sin(t * 0.9) * 2.6

    def draw_hull(self, out: F32, x: float, y: float, roll: float, *, below: bool = False) -> None:
        """The part above or below the horizon line, so that the water mirrors the sails."""
        _, height, width = out.shape
        s, zoom = self.size, 2
        half, tall = int(s * 0.6), int(s * 1.15)
        picture = Image.new("L", (2 * half * zoom, tall * zoom), 0)
        draw = ImageDraw.Draw(picture)
        fx, fy = (x - int(x)) * zoom, (y - int(y)) * zoom
        cx, foot = half * zoom + fx, (tall - s * 0.1) * zoom + fy
        k = s * zoom * self.direction
        a = abs(k)
        draw.polygon(
            [
                (cx - k * 0.3, foot - a * 0.06),
                (cx + k * 0.36, foot - a * 0.075),
                (cx + k * 0.27, foot + a * 0.03),
                (cx - k * 0.25, foot + a * 0.03),
            ],
            fill=255,
        )
        draw.polygon(
            [
                (cx - k * 0.02, foot - a * 0.95),
                (cx - k * 0.02, foot - a * 0.11),
                (cx - k * 0.29, foot - a * 0.12),
                (cx - k * 0.14, foot - a * 0.5),
            ],
            fill=255,
        )
        draw.polygon([(cx + k * 0.01, foot - a * 0.86), (cx + k * 0.01, foot - a * 0.12),
                      (cx + k * 0.3, foot - a * 0.13)], fill=255)  # fmt: skip
        turned = picture.rotate(-roll, Image.Resampling.BICUBIC, center=(cx, foot))
        alpha = np.asarray(turned.resize((2 * half, tall), Image.Resampling.BOX), dtype=np.float32)
        alpha = alpha / np.float32(255)
        left, top = int(x) - half, int(y) - int(tall - s * 0.1)
        first = max(0, -left)
        last = min(2 * half, width - left)
        start, stop = (max(0, self.horizon - top), tall) if below else (0, self.horizon - top)
        start, stop = max(start, -top, 0), min(stop, tall, height - top)
        if last <= first or stop <= start:
            return
        patch = out[:, top + start : top + stop, left + first : left + last]
        tone = mix(self.setting.palette.near, self.setting.palette.glow, 0.06)
        patch += (tone[:, None, None] - patch) * (alpha[start:stop, first:last])
