"""A forest: ranks of firs that fade into mist, great trunks in front, shafts of light."""

import math

import numpy as np
from PIL import Image, ImageDraw

from pixsim7_backend.providers.local.film.canvas import Layer, View, add, draw_layers, mix, rgb
from pixsim7_backend.providers.local.film.mist import Mist
from pixsim7_backend.providers.local.film.noise import F32, f32, fbm_line, resize, smoothstep
from pixsim7_backend.providers.local.film.particles import splat
from pixsim7_backend.providers.local.film.setting import Setting
from pixsim7_backend.providers.local.film.sky import Sky
from pixsim7_backend.providers.local.film.terrain import Ridge, paint_ridge

TONES = {
    "day": ("a8c4a0", "1c3a22", "0a1a0e", "e6f0c8"),
    "sunrise": ("e0b898", "3a4038", "10160f", "ffd9a0"),
    "sunset": ("d87a4e", "43243a", "120a14", "ffb066"),
    "dusk": ("5a6490", "1a2440", "060a16", "9aa4d8"),
    "night": ("2a4470", "0e1c36", "02060e", "7a9ce0"),
    "overcast": ("aab8b6", "3e4e4a", "141c1a", "d8e0dc"),
    "storm": ("5a6a6e", "20292c", "070b0c", "96a6aa"),
}


class Forest:
    """Five ranks of trees, mist between them."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        brief = setting.brief
        w, h = setting.width, setting.height
        unit = min(w, h)
        far, middle, near, ray = (rgb(c) for c in TONES.get(brief.light, TONES["day"]))
        if brief.has("autumn"):
            far, middle, near = mix(far, rgb("e8a050"), 0.5), rgb("8a4420"), rgb("2a120a")
        snowy = brief.has("snow")
        if snowy:
            white = mix(setting.palette.sky[4], rgb("dfeaff"), 0.55)
            far, middle = mix(far, white, 0.6), mix(mix(middle, rgb("44586c"), 0.6), white, 0.12)
            near = mix(near, rgb("101a26"), 0.7)
        self.horizon = int(h * 0.62)
        self.sky = Sky(setting, int(h * 0.7))
        air = mix(far, setting.palette.sky[4], 0.45)
        foot = mix(air, rgb("ffffff"), 0.25) if snowy and brief.light != "night" else air
        ranks = (
            # depth, base, rise, tree height, tone, mist, density
            (0.10, 0.58, 0.10, 0.13, mix(air, middle, 0.30), 0.9, 2.6),
            (0.20, 0.67, 0.08, 0.21, mix(air, middle, 0.58), 0.85, 2.1),
            (0.36, 0.78, 0.07, 0.33, mix(air, middle, 0.92), 0.75, 1.5),
            (0.60, 0.91, 0.06, 0.47, mix(middle, near, 0.55), 0.5, 0.9),
            (1.00, 1.06, 0.06, 0.78, near, 0.0, 0.3),
        )
        self.layers: list[Layer] = []
        for i, (depth, base, rise, tall, tone, thick, density) in enumerate(ranks):
            ground = mix(tone, foot, 0.75) if snowy and i < 4 else mix(tone, foot, 0.4)
            ridge = Ridge(
                f"rank {i}", depth, base * h, rise * h, unit * (0.5 + depth), tone,
                ground if i < 4 else tone, 0.22 * h, thick, trees=density,
                tree_height=tall * unit, bowl=(0.1 if i == 4 else 0.03) * h, gain=0.42,
            )  # fmt: skip
            layer = paint_ridge(setting, ridge, self.horizon)
            if snowy:
                self._dust(layer, i, foot)
            self.layers.append(layer)
        bright = brief.light in {"day", "sunrise", "sunset"}
        if (bright and not snowy) or brief.has("fireflies"):
            self.layers.insert(4, self._trunks(mix(middle, near, 0.85)))
        fog = 0.7 if brief.has("fog") else 0.42
        self.mists = [
            (Mist(setting, y * h, 0.09 * h, mix(air, ray, 0.2), fog * k), d)
            for y, k, d in ((0.6, 1.0, 0.15), (0.74, 0.75, 0.3), (0.88, 0.45, 0.5))
        ]
        shine = {"day": 0.34, "sunrise": 0.42, "sunset": 0.4, "night": 0.16}.get(brief.light, 0.0)
        if brief.weather & {"rain", "snow"}:
            shine = 0.0
        self.rays = Rays(setting, self.sky, ray, shine) if shine else None
        self.motes = setting.rng("motes").uniform(0, 1, (4, 70)).astype(np.float32)
        self.ray = ray

    def _dust(self, layer: Layer, index: int, white: F32) -> None:
        """Snow on the upper side of the branches: where a shifted tree does not cover itself."""
        step = max(2, round(self.setting.unit * (2 + 2 * index)))
        above = np.zeros_like(layer.alpha)
        above[step:] = layer.alpha[:-step]
        edge = np.clip(layer.alpha - above, 0, 1)
        amount = np.clip(edge * 0.75, 0, 1) * np.float32(0.8 if index < 4 else 0.35)
        colour = layer.colour + (white[:, None, None] - layer.colour) * amount
        layer.recolour(colour)

    def _trunks(self, tone: F32) -> Layer:
        setting = self.setting
        random = setting.rng("trunks")
        margin = setting.margin(0.8)
        width, height = setting.width + 2 * margin, setting.height
        zoom = 2
        sheet = Image.new("L", (width * zoom, height * zoom), 0)
        draw = ImageDraw.Draw(sheet)
        unit = min(setting.width, height)
        x = float(random.uniform(0.02, 0.25)) * unit
        while x < width:
            girth = unit * float(random.uniform(0.022, 0.055))
            wobble = fbm_line(random, height + 4, unit * 0.6, octaves=5) * girth * 0.16
            lean = float(random.uniform(-0.04, 0.04))
            ys = np.linspace(-4, height + 2, 160)
            flare = 0.8 + 0.35 * ys / height + 1.2 * np.exp(-(height - ys) / (0.06 * height))
            spine = x + wobble[np.clip(ys, 0, height).astype(int)] + lean * (height - ys)
            sides = np.stack([spine - girth / 2 * flare, spine + girth / 2 * flare])
            left = [(float(a) * zoom, float(b) * zoom) for a, b in zip(sides[0], ys, strict=True)]
            right = [(float(a) * zoom, float(b) * zoom) for a, b in zip(sides[1], ys, strict=True)]
            draw.polygon([*left, *reversed(right)], fill=255)
            for _ in range(int(random.integers(3, 7))):
                row = int(random.integers(8, 90))
                self._branch(
                    draw,
                    random,
                    float(spine[row]) * zoom,
                    float(ys[row]) * zoom,
                    unit * zoom * float(random.uniform(0.07, 0.2)),
                    girth * zoom * 0.2,
                )
            x += unit * float(random.uniform(0.42, 0.95))
        small = sheet.resize((width, height), Image.Resampling.BOX)
        alpha = np.asarray(small, dtype=np.float32) / np.float32(255)
        colour = np.repeat(np.repeat(tone[:, None, None], height, 1), width, 2)
        return Layer(colour, alpha, 0, 0.8, margin, self.horizon)

    @staticmethod
    def _branch(
        draw: ImageDraw.ImageDraw,
        random: np.random.Generator,
        x: float,
        y: float,
        reach: float,
        thick: float,
    ) -> None:
        """A bare bough that tapers, droops and forks once or twice."""
        side = float(random.choice([-1, 1]))
        rise = float(random.uniform(-0.1, 0.55))
        for step in range(9):
            p, q = step / 9, (step + 1) / 9
            a = (x + side * reach * p, y - reach * (rise * p - 0.35 * p * p))
            b = (x + side * reach * q, y - reach * (rise * q - 0.35 * q * q))
            draw.line([a, b], fill=255, width=max(1, round(thick * (1 - 0.85 * p))))
            if step in {3, 5}:
                twig = reach * 0.3 * (1 - p)
                end = (b[0] + side * twig, b[1] + twig * float(random.uniform(-0.7, 0.9)))
                draw.line([b, end], fill=255, width=max(1, round(thick * 0.3)))

    def draw(self, out: F32, t: float, view: View) -> None:
        height = out.shape[1]
        self.sky.draw(out, t, view, self.layers[0].solid_at(view, height))
        for i in range(3):
            stop = self.layers[i + 1].solid_at(view, height)
            self.layers[i].draw(out, view, stop)
            mist, depth = self.mists[i]
            mist.draw(out, t, view, depth)
        if self.rays is not None:
            self.rays.draw(out, t)
        draw_layers(out, self.layers[3:], view)
        self.sky.spill(out, t)
        if self.rays is not None:
            self._motes(out, t, view)

    def _motes(self, out: F32, t: float, view: View) -> None:
        _, height, width = out.shape
        x, y, phase, size = self.motes
        px = ((x + 0.02 * np.sin(t * 0.5 + phase * 9)) % 1) * width - view.x * size * 0.6
        py = ((y - 0.012 * t * (0.5 + phase)) % 1) * height
        glow = (0.12 + 0.25 * np.clip(np.sin(t + phase * 20), 0, 1)) * size
        splat(out, px, py, 1.6 * self.setting.unit, glow.astype(np.float32), self.ray)


class Rays:
    """Shafts from the sun: noise over the angle, slowly turning; painted small and enlarged."""

    def __init__(self, setting: Setting, sky: Sky, colour: F32, amount: float) -> None:
        self.setting, self.colour = setting, colour
        self.w, self.h = setting.width // 4, setting.height // 4
        sun_x = (sky.sun_x - sky.margin) / 4
        sun_y = min((sky.sun_y - sky.margin_y) / 4, -0.12 * self.h) - 0.1 * self.h
        x = np.arange(self.w, dtype=np.float32)[None, :] - np.float32(sun_x)
        y = np.arange(self.h, dtype=np.float32)[:, None] - np.float32(sun_y)
        angle = np.arctan2(x, y)
        self.index = (angle / math.pi * 2048 + 4096).astype(np.float32)
        far = np.sqrt(x * x + y * y) / self.h
        self.fade = (amount * np.exp(-far * 0.85) * smoothstep(1.5, 0.3, far)).astype(np.float32)
        random = setting.rng("rays")
        self.one, self.two = (fbm_line(random, 8192, s, octaves=4, gain=0.6) for s in (150, 90))

    def draw(self, out: F32, t: float) -> None:
        def beam(line: F32, shift: float) -> F32:
            place = self.index + np.float32(shift)
            low = place.astype(np.int32)
            part = place - low
            return f32(np.take(line, low) * (1 - part) + np.take(line, low + 1) * part)

        light = beam(self.one, t * 9) + beam(self.two, -t * 13) * np.float32(0.8)
        light = smoothstep(-0.5, 1.9, light) * self.fade
        add(out, self.colour, resize(light, out.shape[2], out.shape[1]))
