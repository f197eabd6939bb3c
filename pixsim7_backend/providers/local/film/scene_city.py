"""A city: towers in ranks, lit windows, a glow over the streets, water or wet ground below."""

import numpy as np

from pixsim7_backend.providers.local.film.canvas import Layer, View, add, draw_layers, mix, rgb
from pixsim7_backend.providers.local.film.mist import Mist
from pixsim7_backend.providers.local.film.noise import F32, blur, smoothstep
from pixsim7_backend.providers.local.film.particles import splat
from pixsim7_backend.providers.local.film.setting import Setting
from pixsim7_backend.providers.local.film.sky import Sky
from pixsim7_backend.providers.local.film.water import Water

LIT = {"night": 0.5, "dusk": 0.42, "storm": 0.4, "sunset": 0.17, "overcast": 0.2, "sunrise": 0.14}
WARM = ("ffd48a", "ffe8b8", "ffc070", "fff4dc", "c8e4ff")
NEON = ("ff3d9a", "35e0ff", "a05cff", "ffd24a", "5cffb0", "ff6a4a")


class City:
    """Ranks of towers over a river that mirrors them."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        brief, palette = setting.brief, setting.palette
        w, h = setting.width, setting.height
        random = setting.rng("city")
        self.shore = int(h * (0.74 if h <= w else 0.78))
        self.sky = Sky(setting, self.shore)
        dark = brief.light in {"night", "dusk", "storm"}
        self.lit = LIT.get(brief.light, 0.03)
        self.neon = brief.has("neon") or (dark and brief.has("rain"))
        glow = rgb("ff5ab0") if brief.has("neon") else rgb("ffae5c")
        if self.neon and not brief.has("neon"):
            glow = rgb("e07ab0")
        self.glow = glow
        far = mix(palette.far, palette.sky[4], 0.35 if not dark else 0.15)
        near = palette.near if dark else mix(palette.near, rgb("3a4656"), 0.5)
        if dark:
            far = mix(far, glow, 0.14)
        self.beacons: list[tuple[float, float, float, float]] = []
        self.layers: list[Layer] = []
        self.flicker: list[tuple[F32, F32, F32, float]] = []
        ranks = ((0.10, 0.44, 0.5), (0.2, 0.4, 0.8), (0.36, 0.34, 1.1), (0.58, 0.22, 1.5))
        for i, (depth, tall, size) in enumerate(ranks):
            air = 1 - i / (len(ranks) - 1)
            tone = mix(near, far, air**0.8 * 0.92)
            self.layers.append(self._rank(i, depth, tall * h, size, tone, air, far))
        self.haze = Mist(
            setting, self.shore - 0.03 * h, 0.075 * h, mix(far, glow, 0.3 if dark else 0), 0.5
        )
        self.water = Water(
            setting, self.shore, calm=True, dark=0.3, ripple=1.25 if brief.has("rain") else 0.8,
            colour=mix(palette.near, palette.sky[0], 0.3),
        )  # fmt: skip
        y = (np.arange(h, dtype=np.float32) - self.shore)[:, None] / h
        dome = np.exp(-(y**2) / 0.022) * np.float32(0.26 if dark else 0.05)
        x = np.linspace(-1, 1, w, dtype=np.float32)[None, :]
        self.dome = (dome * (1 - 0.45 * x * x)).astype(np.float32)
        n = int(26 * w / h)
        self.cars = random.uniform(0, 1, (4, n)).astype(np.float32)
        self.dark = dark

    def _rank(
        self, index: int, depth: float, tall: float, size: float, tone: F32, air: float, far: F32
    ) -> Layer:
        setting = self.setting
        random = setting.rng("rank", index)
        unit = setting.unit
        margin = setting.margin(depth)
        width = setting.width + 2 * margin
        top = int(self.shore - tall * 1.35)
        rows = self.shore - top + int(setting.camera.reach_y * depth) + 2
        colour = np.empty((3, rows, width), np.float32)
        alpha = np.zeros((rows, width), np.float32)
        light = np.zeros((3, rows, width), np.float32)
        foot = self.shore - top
        y = np.arange(rows, dtype=np.float32)[:, None]
        colour[:] = tone[:, None, None]
        centre = width * float(random.uniform(0.35, 0.65))
        x = -20.0
        while x < width:
            broad = max(8, int(unit * size * float(random.uniform(26, 62))))
            bump = np.exp(-(((x + broad / 2 - centre) / (0.3 * setting.width)) ** 2))
            high = tall * float(random.uniform(0.25, 0.62) + 0.55 * bump * random.random())
            self._tower(
                random,
                colour,
                alpha,
                light,
                int(x),
                broad,
                foot - int(high),
                foot,
                tone,
                size,
                depth,
                top,
                margin,
            )
            x += broad * float(random.uniform(0.72, 1.25))
        alpha[max(0, foot - int(3 * unit)) :] = 1
        air_amount = (
            (0.1 + 0.62 * air)
            * smoothstep(-0.2 * tall, tall, y - (foot - tall))
            * (0.7 if self.lit > 0.3 else 1.0)
        )
        haze = mix(far, self.glow, 0.22 if self.lit > 0.3 else 0.0)
        colour += (haze[:, None, None] - colour) * air_amount
        spread = max(2.0, 5 * unit * size)
        gain = np.float32(0.95 - 0.45 * air)
        for c in range(3):
            colour[c] += light[c] * gain
            if self.lit > 0.1:
                colour[c] += blur(light[c], spread) * np.float32(0.9) * gain
        return Layer(np.clip(colour, 0, 1.3), alpha, top, depth, margin, float(self.shore))

    def _tower(
        self, random: np.random.Generator, colour: F32, alpha: F32, light: F32, x: int, broad: int,
        roof: int, foot: int, tone: F32, size: float, depth: float, top: int, margin: int,
    ) -> None:  # fmt: skip
        width = alpha.shape[1]
        unit = self.setting.unit
        left, right = max(0, x), min(width, x + broad)
        roof = max(4, roof)
        if right - left < 3 or foot - roof < 6:
            return
        alpha[roof:, left:right] = 1
        shade = 1 + float(random.uniform(-0.16, 0.16))
        side = left + int((right - left) * float(random.uniform(0.55, 0.8)))
        colour[:, roof:foot, left:right] = (tone * np.float32(shade))[:, None, None]
        day = 0.22 if self.lit < 0.2 else 0.1
        colour[:, roof:foot, side:right] *= np.float32(1 - day)
        kind = random.random()
        if kind < 0.3 and size < 1.4:
            step = max(2, (right - left) // 5)
            up = int((foot - roof) * 0.1)
            alpha[max(0, roof - up) : roof, left + step : right - step] = 1
        elif kind < 0.5:
            mast = (left + right) // 2
            up = int((foot - roof) * 0.2)
            alpha[max(0, roof - up) : roof, mast : mast + max(1, int(1.4 * unit * size))] = 0.9
            if self.lit > 0.2:
                self.beacons.append(
                    (mast - margin, top + max(0, roof - up), depth, float(random.random()))
                )
        self._windows(random, colour, light, (left, right), (roof, foot), size)

    def _windows(
        self,
        random: np.random.Generator,
        colour: F32,
        light: F32,
        across: tuple[int, int],
        down: tuple[int, int],
        size: float,
    ) -> None:
        (left, right), (roof, foot), unit = across, down, self.setting.unit
        gap_y, gap_x = max(3, round(7.5 * unit * size)), max(3, round(6.2 * unit * size))
        if self.lit <= 0.05:
            bands = np.arange(roof + gap_y, foot, gap_y)
            colour[:, bands, left + 1 : right - 1] *= np.float32(0.9)
            return
        tall_win, wide_win = max(1, round(gap_y * 0.5)), max(1, round(gap_x * 0.52))
        rows = np.arange(roof + gap_y // 2, foot - gap_y, gap_y)
        columns = np.arange(left + gap_x // 2, right - gap_x // 2, gap_x)
        if not rows.size or not columns.size:
            return
        busy = self.lit * float(random.uniform(0.35, 1.35))
        on = random.random((rows.size, columns.size)) < busy
        floors = random.random(rows.size) < 0.1 * self.lit
        on[floors] = True
        tint = rgb(WARM[int(random.integers(len(WARM)))])
        if self.neon and random.random() < 0.3:
            tint = rgb(NEON[int(random.integers(len(NEON)))])
        power = random.uniform(0.3, 1.0, on.shape).astype(np.float32) * on
        for dy in range(tall_win):
            for dx in range(wide_win):
                light[:, (rows + dy)[:, None], (columns + dx)[None, :]] = (
                    tint[:, None, None] * power
                )
        if self.neon and random.random() < 0.4 and size > 0.7:
            self._sign(random, light, left, right, roof, foot)

    def _sign(
        self, random: np.random.Generator, light: F32, left: int, right: int, roof: int, foot: int
    ) -> None:
        tint = rgb(NEON[int(random.integers(len(NEON)))])[:, None, None]
        wide = max(2, (right - left) // 7)
        high = int((foot - roof) * float(random.uniform(0.2, 0.45)))
        y = roof + int((foot - roof) * float(random.uniform(0.08, 0.4)))
        if random.random() < 0.6:
            x = left + int((right - left) * float(random.uniform(0.1, 0.75)))
            light[:, y : y + high, x : x + wide] = tint * np.float32(0.95)
        else:
            light[:, y : y + max(2, wide // 2), left + 2 : right - 2] = tint

    def draw(self, out: F32, t: float, view: View) -> None:
        flat = View(view.x, 0.0, view.dolly)
        self.sky.draw(out, t, flat, self.shore)
        add(out, self.glow, self.dome)
        draw_layers(out[:, : self.shore], self.layers[:3], flat)
        self.haze.draw(out[:, : self.shore], t, flat, 0.3)
        draw_layers(out[:, : self.shore], self.layers[3:], flat)
        if self.dark:
            self._lights(out, t, flat)
        self.water.draw(out, t, flat)
        self.sky.spill(out, t)

    def _lights(self, out: F32, t: float, view: View) -> None:
        """Cars along the bank and red beacons on the masts."""
        width, unit = self.setting.width, self.setting.unit
        lane, start, pace, tone = self.cars
        way = np.where(tone > 0.5, 1.0, -1.0)
        x = ((start + way * (0.03 + 0.04 * pace) * t) % 1.1 - 0.05) * width - view.x * 0.6
        y = self.shore - (3 + 5 * lane) * unit
        x, y = x.astype(np.float32), y.astype(np.float32)
        for chosen, colour in ((tone > 0.5, rgb("ff3a2a")), (tone <= 0.5, rgb("fff0cc"))):
            power = np.full(int(chosen.sum()), 0.9, np.float32)
            splat(out, x[chosen], y[chosen], 1.7 * unit, power, colour)
            splat(out, x[chosen], y[chosen], 7 * unit, power * np.float32(0.2), colour)
        centre = width / 2
        for bx, by, depth, phase in self.beacons:
            scale = 1 + view.dolly * depth
            px = np.array([centre + (bx - view.x * depth - centre) * scale], np.float32)
            py = np.array([self.shore + (by - self.shore) * scale], np.float32)
            blink = max(0.0, np.sin(t * 3.0 + phase * 6.28)) ** 2
            power1 = np.array([0.15 + 0.85 * blink], np.float32)
            splat(out, px, py, 2.0 * unit, power1, rgb("ff3020"))
            splat(out, px, py, 8.0 * unit, power1 * np.float32(0.3), rgb("ff3020"))
