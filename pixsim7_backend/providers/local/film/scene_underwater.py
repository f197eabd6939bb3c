"""Underwater: shafts of light, caustics on the sand, weed that sways, fish and bubbles."""

import math

import numpy as np
from PIL import Image, ImageDraw

from pixsim7_backend.providers.local.film.canvas import Layer, View, add, gradient, mix, rgb
from pixsim7_backend.providers.local.film.noise import F32, fbm, fbm_line, resize, smoothstep
from pixsim7_backend.providers.local.film.particles import splat
from pixsim7_backend.providers.local.film.setting import Setting
from pixsim7_backend.providers.local.film.terrain import Ridge, paint_ridges

WATERS = (
    ("c8fff4", "3cc4d8", "0f7fb0", "084a80", "041f4a"),
    ("d8ffe8", "4ad0b8", "138a94", "0a5468", "052838"),
    ("b8e8ff", "2f9fe0", "1560b0", "0b3478", "050f38"),
)
CORALS = ("c8465a", "d87a3a", "8a4a9a", "c85a8a", "b89a3a")


class Underwater:
    """Looking along the sea bed, towards the light."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        random = setting.rng("underwater")
        w, h = setting.width, setting.height
        unit = min(w, h)
        tones = [rgb(c) for c in WATERS[int(random.integers(len(WATERS)))]]
        if setting.brief.light == "night":
            tones = [mix(tone, rgb("020818"), 0.62) for tone in tones]
        self.tones = tones
        column = gradient(list(zip((0, 0.14, 0.4, 0.72, 1), tones, strict=True)), h)
        self.sun_x = float(random.uniform(0.3, 0.7)) * w
        x = (np.arange(w, dtype=np.float32)[None, :] - self.sun_x) / h
        y = np.arange(h, dtype=np.float32)[:, None] / h
        shine = np.exp(-(x * x) / 0.14 - (y * y) / 0.10)
        self.base = np.clip(
            column[:, :, None] + tones[0][:, None, None] * (0.5 * shine), 0, 1
        ).astype(np.float32)
        self.w4, self.h4 = w // 4, h // 4
        self.angle = np.arctan2(x[:, ::4][:, : self.w4], y[::4][: self.h4] + 0.35).astype(
            np.float32
        )
        self.rays = [fbm_line(random, 4096, s, octaves=4, gain=0.6) for s in (70, 44)]
        self.ray_fade = (0.5 * np.exp(-y[::4][: self.h4] * 1.5)).astype(np.float32)
        far, near = mix(tones[3], tones[2], 0.45), mix(tones[4], rgb("000814"), 0.35)
        sand = mix(tones[2], rgb("d8c8a0"), 0.24)
        hz = 0.72 * h
        ridges = [
            Ridge(
                "reef far",
                0.15,
                hz,
                0.13 * h,
                unit * 0.3,
                mix(far, tones[2], 0.45),
                tones[2],
                0.2 * h,
                0.55,
                relief=0.1,
            ),
            Ridge(
                "reef",
                0.32,
                hz + 0.07 * h,
                0.14 * h,
                unit * 0.3,
                mix(far, near, 0.3),
                tones[2],
                0.2 * h,
                0.35,
                relief=0.16,
            ),
            Ridge(
                "sand",
                0.55,
                hz + 0.16 * h,
                0.04 * h,
                unit * 0.8,
                mix(sand, tones[3], 0.25),
                mix(sand, tones[4], 0.45),
                0.26 * h,
                0.8,
                gain=0.35,
            ),
            Ridge(
                "rock",
                1.0,
                h * 0.99,
                0.12 * h,
                unit * 0.5,
                near,
                near,
                h,
                0.0,
                bowl=0.09 * h,
                relief=0.2,
            ),
        ]
        self.layers: list[Layer] = paint_ridges(setting, ridges, hz)
        self.caustic = [
            fbm(random, 256, 256, 40, octaves=2, stretch=1.5).reshape(-1) for _ in range(2)
        ]
        self.floor = int(hz + 0.1 * h)
        row = np.arange(h - self.floor, dtype=np.float32)[:, None]
        depth = 1 / (row / (h - self.floor) * 0.9 + 0.16)
        across = np.arange(w, dtype=np.float32)[None, :] - w / 2
        self.cu = (across * depth * 0.22 / setting.unit).astype(np.int32) + 65536
        self.cv = np.repeat((depth * 70).astype(np.int32), w, axis=1)
        self.c_fade = smoothstep(0.0, 0.35, row / (h - self.floor)) * np.float32(0.16)
        self.kelp = self._kelp(random)
        n = int(12 + 14 * w / h)
        self.fish = random.uniform(0, 1, (5, n)).astype(np.float32)
        self.heading = float(random.choice([-1, 1]))
        self.bubbles = random.uniform(0, 1, (5, 90)).astype(np.float32)
        self.motes = random.uniform(0, 1, (4, 260)).astype(np.float32)
        self.has_jelly = setting.brief.has("jellyfish")
        self.jelly = random.uniform(0, 1, (4, 6 if self.has_jelly else 0))

    def _kelp(self, random: np.random.Generator) -> list[tuple[float, float, float, float, F32]]:
        weeds = []
        for _ in range(int(18 * self.setting.width / min(self.setting.width, self.setting.height))):
            x = float(random.uniform(-0.1, 1.1))
            edge = min(1.0, abs(x - 0.5) * 2)
            tall = float(random.uniform(0.08, 0.2) + 0.3 * edge**2 * random.random())
            tone = mix(self.tones[4], rgb(CORALS[int(random.integers(len(CORALS)))]), 0.2)
            if random.random() < 0.6:
                tone = mix(self.tones[4], rgb("0c4030"), 0.6)
            weeds.append(
                (x, tall, float(random.uniform(0, 6.28)), float(random.uniform(0.5, 0.95)), tone)
            )
        return sorted(weeds, key=lambda weed: weed[3])

    def draw(self, out: F32, t: float, view: View) -> None:
        height = out.shape[1]
        view = View(view.x, 0.0, 0.0)
        out[:] = self.base
        self._shafts(out, t)
        self._school(out, t, view, far=True)
        for layer in self.layers[:2]:
            layer.draw(out, view, height)
        self.layers[2].draw(out, view, height)
        self._caustics(out, t, view)
        self._school(out, t, view, far=False)
        self._weeds(out, t, view)
        self.layers[3].draw(out, view, height)
        self._jellies(out, t, view)
        self._specks(out, t, view)

    def _shafts(self, out: F32, t: float) -> None:
        place = (self.angle * 420 + 2048).astype(np.float32)
        light = np.zeros_like(place)
        for line, shift in zip(self.rays, (t * 11, -t * 16), strict=True):
            at = place + np.float32(shift)
            low = at.astype(np.int32) % 4094
            part = at % 1
            light += np.take(line, low) * (1 - part) + np.take(line, low + 1) * part
        light = smoothstep(-0.4, 2.6, light) * self.ray_fade
        add(out, self.tones[0], resize(light, out.shape[2], out.shape[1]))

    def _caustics(self, out: F32, t: float, view: View) -> None:
        u = self.cu + int(view.x * 0.5)
        total: F32 | None = None
        for plane, du, dv in zip(self.caustic, (t * 9, -t * 7), (t * 5, t * 8), strict=True):
            index = ((self.cv + int(dv)) & 255) * 256 + ((u + int(du)) & 255)
            value = np.take(plane, index)
            total = value if total is None else np.abs(total - value)
        if total is not None:
            bright = np.exp(-total * 2.6).astype(np.float32) * self.c_fade
            add(out[:, self.floor :], self.tones[0], bright)

    def _sprite(
        self, out: F32, shape: Image.Image, x: float, y: float, tone: F32, power: float
    ) -> None:
        _, height, width = out.shape
        left, top = int(x) - shape.width // 2, int(y) - shape.height // 2
        x0, y0 = max(0, -left), max(0, -top)
        x1, y1 = min(shape.width, width - left), min(shape.height, height - top)
        if x1 <= x0 or y1 <= y0:
            return
        alpha = np.asarray(shape, dtype=np.float32)[y0:y1, x0:x1] * np.float32(power / 255)
        patch = out[:, top + y0 : top + y1, left + x0 : left + x1]
        patch += (tone[:, None, None] - patch) * alpha

    def _school(self, out: F32, t: float, view: View, *, far: bool) -> None:
        _, height, width = out.shape
        unit = min(width, height)
        for x, y, phase, size, side in self.fish.T:
            if (size < 0.55) != far:
                continue
            length = unit * (0.02 + 0.055 * float(size) ** 2)
            pace = 0.03 + 0.05 * float(size)
            px = ((float(x) + self.heading * pace * t) % 1.2 - 0.1) * width - view.x * (
                0.2 + 0.5 * float(size)
            )
            py = (0.25 + 0.42 * float(y) + 0.012 * math.sin(t * 0.9 + float(phase) * 6.28)) * height
            zoom, wag = 3, math.sin(t * 9 + float(phase) * 20)
            w, h = int(length * 1.5), int(length * 0.8)
            fx, fy = (px % 1) * zoom, (py % 1) * zoom
            image = Image.new("L", (w * zoom, h * zoom), 0)
            draw = ImageDraw.Draw(image)
            cx, cy, k = w * zoom / 2 + fx, h * zoom / 2 + fy, length * zoom
            d = self.heading
            draw.ellipse([cx - k * 0.4, cy - k * 0.17, cx + k * 0.4, cy + k * 0.17], fill=255)
            tail = cx - d * k * 0.34
            draw.polygon(
                [
                    (tail, cy),
                    (tail - d * k * 0.26, cy - k * (0.17 + 0.05 * wag)),
                    (tail - d * k * 0.2, cy),
                    (tail - d * k * 0.26, cy + k * (0.17 - 0.05 * wag)),
                ],
                fill=255,
            )
            draw.polygon(
                [
                    (cx, cy - k * 0.13),
                    (cx - d * k * 0.16, cy - k * 0.27),
                    (cx - d * k * 0.2, cy - k * 0.1),
                ],
                fill=255,
            )
            small = image.resize((w, h), Image.Resampling.BOX)
            tone = mix(self.tones[2], self.tones[4], 0.3 + 0.6 * float(size))
            if side > 0.6 and not far:
                tone = mix(tone, rgb("ff9a3a"), 0.55)
            self._sprite(out, small, px, py, tone, 0.9)

    def _weeds(self, out: F32, t: float, view: View) -> None:
        _, height, width = out.shape
        unit = min(width, height)
        steps = np.linspace(0, 1, 14)
        for x, tall, phase, depth, tone in self.kelp:
            size = tall * unit * 1.25
            foot = height * (0.84 + 0.14 * depth)
            root = x * width - view.x * depth
            if not -0.2 * unit < root < width + 0.2 * unit:
                continue
            half, high = int(size * 0.26) + 4, int(size) + 6
            image = Image.new("L", (2 * half * 2, high * 2), 0)
            draw = ImageDraw.Draw(image)
            sway = np.sin(t * 1.1 + phase + steps * 2.4) * steps**1.4 * size * 0.17
            px = (half + sway + (root % 1)) * 2
            py = (high - 2 - steps * size) * 2
            breadth = (
                (np.sin(np.pi * np.clip(steps * 0.92 + 0.08, 0, 1)) * 0.035 + 0.004) * size * 2
            )
            breadth = breadth * (1 + 0.35 * np.sin(steps * 26 + phase))
            left = list(zip(px - breadth, py, strict=True))
            right = list(zip(px + breadth, py, strict=True))
            draw.polygon([(float(a), float(b)) for a, b in left + right[::-1]], fill=255)
            small = image.resize((2 * half, high), Image.Resampling.BOX)
            self._sprite(out, small, root, foot - high / 2, tone, 0.95)

    def _jellies(self, out: F32, t: float, view: View) -> None:
        _, height, width = out.shape
        unit = min(width, height)
        for x, y, phase, size in self.jelly.T:
            beat = 0.5 + 0.5 * math.sin(t * 2.2 + phase * 6.28)
            r = unit * (0.05 + 0.05 * size)
            px = x * width - view.x * (0.3 + 0.4 * size) + math.sin(t * 0.4 + phase * 9) * r * 0.3
            py = ((y * 0.7 + 0.1 - 0.014 * t) % 1.0) * height
            side = int(r * 3)
            image = Image.new("L", (side * 2, side * 2), 0)
            draw = ImageDraw.Draw(image)
            c, w, h = side, r * 2 * (0.85 + 0.15 * beat), r * 2 * (0.62 - 0.12 * beat)
            for k in range(6, 0, -1):
                draw.pieslice(
                    [c - w * k / 6, c - h * k / 6 - r, c + w * k / 6, c + h * k / 6 - r],
                    180,
                    360,
                    fill=70 + 18 * k,
                )
            for k in range(7):
                sx = c + (k - 3) * w * 0.26
                line = [
                    (sx + math.sin(t * 2 + k + j * 0.7) * r * 0.12 * j / 3, c - r + j * r * 0.42)
                    for j in range(7)
                ]
                draw.line(line, fill=110, width=max(2, int(r * 0.05)))
            small = image.resize((side, side), Image.Resampling.BOX)
            self._sprite(out, small, px, py, mix(self.tones[0], rgb("ff9ad8"), 0.45), 0.8)

    def _specks(self, out: F32, t: float, view: View) -> None:
        _, height, width = out.shape
        unit = self.setting.unit
        x, y, phase, size = self.motes
        px = ((x + 0.01 * np.sin(t * 0.4 + phase * 9)) % 1) * width - view.x * size * 0.5
        py = ((y + 0.006 * t * (phase - 0.3)) % 1) * height
        splat(out, px, py, 1.1 * unit, (0.06 + 0.16 * size).astype(np.float32), self.tones[0])
        x, y, phase, size, column = self.bubbles
        group = np.floor(column * 5) / 5 + 0.1 + 0.016 * np.sin(t * 3 + phase * 12)
        px = (group + (x - 0.5) * 0.04) * width - view.x * 0.7
        py = (1.05 - ((y + t * (0.07 + 0.07 * size)) % 1.1)) * height
        for low, high, radius in ((0, 0.6, 1.5), (0.6, 0.9, 2.6), (0.9, 1.01, 4.4)):
            chosen = (size >= low) & (size < high)
            power = np.full(int(chosen.sum()), 0.42, np.float32)
            splat(out, px[chosen], py[chosen], radius * unit, power, self.tones[0])
            lift = np.float32(radius * unit * 0.35)
            splat(out, px[chosen] - lift, py[chosen] - lift, 0.7 * unit, power * 1.4, rgb("ffffff"))
