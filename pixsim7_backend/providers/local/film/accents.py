"""Things that a prompt may name besides its scene: meteors, lanterns, balloons, lightning."""

import math

import numpy as np
from PIL import Image, ImageDraw

from pixsim7_backend.providers.local.film.canvas import View, add, lay, mix, rgb
from pixsim7_backend.providers.local.film.noise import F32, f32, rng
from pixsim7_backend.providers.local.film.particles import splat
from pixsim7_backend.providers.local.film.setting import Setting

CLOTH = ("d8453a", "e8973a", "3a78c8", "e8c840", "8a4ab0", "3aa088")


class Meteors:
    """Short bright streaks, one every second or so."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        random = setting.rng("meteors")
        count = math.ceil(setting.duration) + 1
        self.start = np.arange(count) * 0.85 + random.uniform(0, 0.6, count)
        self.x = random.uniform(0.1, 0.9, count)
        self.y = random.uniform(0.04, 0.3, count)
        self.side = float(random.choice([-1, 1]))

    def draw(self, out: F32, t: float, view: View) -> None:
        _, height, width = out.shape
        tail = np.linspace(0, 1, 90)
        for start, x, y in zip(self.start, self.x, self.y, strict=True):
            age = (t - start) / 0.7
            if not 0 < age < 1:
                continue
            reach = min(width, height) * 0.5
            way = (age - tail * 0.35).clip(0, 1) * reach
            power = (1 - tail) ** 2 * math.sin(math.pi * age) * 0.5
            px, py = f32(x * width + self.side * way), f32(y * height + way * 0.42)
            splat(out, px, py, 1.1 * self.setting.unit, f32(power), rgb("eaf2ff"))


class Lanterns:
    """Paper lanterns that rise and flicker."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.seeds = setting.rng("lanterns").uniform(0, 1, (4, 44)).astype(np.float32)

    def draw(self, out: F32, t: float, view: View) -> None:
        _, height, width = out.shape
        x, y, phase, size = self.seeds
        px = (x * 1.1 - 0.05 + 0.012 * np.sin(t * 0.6 + phase * 9)) * width - view.x * size * 0.5
        py = ((y - 0.022 * t * (0.5 + size)) % 1.0) * 0.95 * height
        flame = f32(0.75 + 0.25 * np.sin(t * (3 + phase) + phase * 30))
        for low, high, radius in ((0.0, 0.5, 2.6), (0.5, 0.85, 4.4), (0.85, 1.01, 7.5)):
            chosen = (size >= low) & (size < high)
            r = radius * self.setting.unit
            args = f32(px)[chosen], f32(py)[chosen]
            splat(out, *args, r * 3.2, flame[chosen] * np.float32(0.2), rgb("ff8a2a"))
            splat(out, *args, r, flame[chosen] * np.float32(0.95), rgb("ffc46a"))


class Balloons:
    """Hot-air balloons, near and far, afloat."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        random = setting.rng("balloons")
        self.items = sorted(
            (float(size), float(x), float(y), float(phase))
            for size, x, y, phase in random.uniform(0, 1, (6, 4))
        )
        self.sprites = [self._sprite(i, item[0]) for i, item in enumerate(self.items)]

    def _sprite(self, index: int, near: float) -> tuple[F32, F32]:
        tall = max(18, int(min(self.setting.width, self.setting.height) * (0.06 + 0.16 * near**2)))
        zoom = 3
        h, w = tall * zoom, int(tall * 0.78) * zoom
        cloth = [rgb(CLOTH[(index + k) % len(CLOTH)]) for k in (0, 3)]
        alpha = Image.new("L", (w, h), 0)
        draw = ImageDraw.Draw(alpha)
        draw.ellipse([0, 0, w - 1, h * 0.72], fill=255)
        draw.polygon([(w * 0.14, h * 0.55), (w * 0.86, h * 0.55), (w * 0.58, h * 0.82),
                      (w * 0.42, h * 0.82)], fill=255)  # fmt: skip
        draw.rectangle([w * 0.43, h * 0.88, w * 0.57, h * 0.99], fill=255)
        for side in (0.43, 0.57):
            draw.line([(w * side, h * 0.8), (w * side, h * 0.9)], fill=200, width=zoom)
        small = alpha.resize((w // zoom, tall), Image.Resampling.BOX)
        cover = np.asarray(small, dtype=np.float32) / np.float32(255)
        y, x = np.mgrid[0:tall, 0 : w // zoom].astype(np.float32)
        across = np.clip((x / (w / zoom) - 0.5) * 2, -1, 1)
        bulge = np.arcsin(
            np.clip(across / np.sqrt(np.clip(1 - (y / tall - 0.36) ** 2 * 4, 0.1, 1)), -1, 1)
        )
        stripes = (np.floor(bulge * 2.6 + 20) % 2).astype(np.float32)
        colour = cloth[0][:, None, None] * stripes + cloth[1][:, None, None] * (1 - stripes)
        colour = colour * (0.8 - 0.3 * across - 0.15 * y / tall)
        colour[:, int(tall * 0.86) :] = rgb("4a3220")[:, None, None]
        air = self.setting.palette.far[:, None, None]
        colour = colour + (air - colour) * np.float32(0.6 * (1 - near))
        edge = ((1, 1), (1, 1))
        return np.pad(f32(colour * cover), ((0, 0), *edge)), np.pad(cover, edge)

    def draw(self, out: F32, t: float, view: View) -> None:
        _, height, width = out.shape
        for (near, x, y, phase), (colour, cover) in zip(self.items, self.sprites, strict=True):
            wide = cover.shape[1]
            drift = 0.006 * t * (0.4 + near)
            left = (0.06 + 0.88 * x + drift) * width - view.x * near * 0.4 - wide / 2
            top = (0.07 + 0.4 * y + 0.008 * math.sin(t * 0.7 + phase * 6)) * height
            lay(out, cover, colour, left, top)


class Lightning:
    """Every few seconds a flash, and a forked bolt within it."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        w, h = setting.width, setting.height
        self.bolts: list[tuple[float, F32]] = []
        for i in range(max(1, round(setting.duration / 2))):
            random = rng(setting.brief.seed, "bolt", i)
            when = (i + float(random.uniform(0.25, 0.75))) * setting.duration
            when /= max(1, round(setting.duration / 2))
            sheet = Image.new("L", (w, h), 0)
            draw = ImageDraw.Draw(sheet)
            self._fork(draw, random, float(random.uniform(0.2, 0.8)) * w, 0.0, 0.5 * h, 3)
            self.bolts.append((when, np.asarray(sheet, dtype=np.float32) / np.float32(255)))

    def _fork(
        self,
        draw: ImageDraw.ImageDraw,
        random: np.random.Generator,
        x: float,
        y: float,
        end: float,
        depth: int,
    ) -> None:
        step = self.setting.height * 0.028
        while y < end:
            nx, ny = (
                x + float(random.normal(0, 0.62)) * step,
                y + step * float(random.uniform(0.5, 1)),
            )
            width = max(1, round(depth * 0.9 * self.setting.unit))
            draw.line([(x, y), (nx, ny)], fill=105 + 50 * depth, width=width)
            x, y = nx, ny
            if depth > 1 and random.random() < 0.14:
                self._fork(draw, random, x, y, y + (end - y) * 0.5, depth - 1)

    def draw(self, out: F32, t: float, view: View) -> None:
        for when, bolt in self.bolts:
            age = t - when
            if not 0 <= age < 0.55:
                continue
            flicker = math.exp(-age / 0.13) * (0.6 + 0.4 * math.cos(age * 60))
            out *= np.float32(1 + 0.85 * flicker)
            add(out, mix(rgb("cfe0ff"), rgb("ffffff"), 0.5), bolt * np.float32(1.1 * flicker))
