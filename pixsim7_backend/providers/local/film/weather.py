"""Weather and small living things drawn over a scene: rain, snow, fireflies, birds."""

import math
from collections.abc import Callable
from typing import Final, Protocol

import numpy as np
from PIL import Image, ImageDraw

from pixsim7_backend.providers.local.film.accents import (
    Balloons,
    Lanterns,
    Lightning,
    Meteors,
)
from pixsim7_backend.providers.local.film.canvas import View, add, mix, rgb
from pixsim7_backend.providers.local.film.mist import Mist
from pixsim7_backend.providers.local.film.noise import F32
from pixsim7_backend.providers.local.film.particles import splat
from pixsim7_backend.providers.local.film.setting import Setting


class Rain:
    """Three sheets of streaks at different distances, falling aslant."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        width, height = setting.width, setting.height
        random = setting.rng("rain")
        self.slant = float(random.uniform(0.06, 0.16)) * random.choice([-1, 1])
        self.sheets: list[F32] = []
        unit = setting.unit
        for count, length, weight, bright in ((900, 24, 1, 60), (420, 44, 1, 85), (130, 90, 2, 95)):
            sheet = Image.new("L", (width, height), 0)
            draw = ImageDraw.Draw(sheet)
            number = int(count * width * height / (1280 * 720 * unit * unit))
            for _ in range(number):
                x, y = random.uniform(0, width), random.uniform(0, height)
                size = length * unit * float(random.uniform(0.6, 1.2))
                tone = int(bright * random.uniform(0.4, 1.0))
                for sx in (-width, 0, width):
                    for sy in (0, height):
                        a = (x + sx, y - sy)
                        b = (x + sx + self.slant * size, y - sy + size)
                        draw.line([a, b], fill=tone, width=max(1, round(weight * unit)))
            tile = np.asarray(sheet, dtype=np.float32) / np.float32(255)
            soft = tile.copy()
            soft[:, 1:] = tile[:, 1:] * 0.65 + tile[:, :-1] * 0.35
            self.sheets.append(np.tile(soft, (2, 2)))

    def draw(self, out: F32, t: float, view: View) -> None:
        _, height, width = out.shape
        tone = mix(self.setting.palette.sky[4], rgb("c8d6e6"), 0.6)
        for sheet, speed in zip(self.sheets, (1.5, 2.1, 3.1), strict=True):
            down = t * speed * height
            y = int(-down) % height
            x = int(-down * self.slant + view.x * speed * 0.3) % width
            add(out, tone * np.float32(0.62), sheet[y : y + height, x : x + width])


class Snow:
    """Flakes of three sizes that sway as they fall."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        random = setting.rng("snow")
        self.wind = float(random.uniform(-0.05, 0.05))
        area = setting.width / setting.height * (setting.height / 720 / setting.unit) ** 2
        self.flakes: list[tuple[F32, F32, F32, float, float]] = []
        for count, radius, speed in ((520, 0.9, 0.07), (230, 1.7, 0.12), (70, 3.4, 0.2)):
            n = int(count * area / 1.78)
            x, y, phase = (random.uniform(0, 1, n).astype(np.float32) for _ in range(3))
            self.flakes.append((x, y, phase, radius * setting.unit, speed))

    def draw(self, out: F32, t: float, view: View) -> None:
        _, height, width = out.shape
        dark = self.setting.brief.light in {"night", "dusk", "storm"}
        tone = rgb("c4d2ee") if dark else rgb("ffffff")
        for x, y, phase, radius, speed in self.flakes:
            sway = 0.012 * np.sin(t * (0.8 + phase) + phase * 40)
            px = ((x + sway + self.wind * t - view.x * speed * 4 / width) % 1.0) * (width + 40) - 20
            py = ((y + (speed * (0.8 + 0.4 * phase)) * t) % 1.0) * (height + 40) - 20
            strength = (0.45 + 0.4 * phase) * (0.75 if radius > 2 * self.setting.unit else 1.0)
            splat(out, px, py, radius, strength.astype(np.float32), tone)


class Fireflies:
    """Warm lights that wander and breathe."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        random = setting.rng("fireflies")
        n = int(46 * setting.width / min(setting.width, setting.height))
        self.seeds = random.uniform(0, 1, (5, n)).astype(np.float32)

    def draw(self, out: F32, t: float, view: View) -> None:
        _, height, width = out.shape
        x, y, phase, pace, size = self.seeds
        px = x * 1.1 - 0.05 + 0.025 * np.sin(t * (0.5 + pace) + phase * 6.28)
        px = px * width - view.x * (0.4 + 0.6 * size)
        py = (0.42 + 0.52 * y + 0.03 * np.cos(t * (0.4 + pace * 0.8) + phase * 9)) * height
        breath = np.clip(0.5 + 0.7 * np.sin(t * (1.2 + pace) + phase * 6.28), 0.03, 1)
        unit = self.setting.unit
        glow, core = rgb("ffcf5a"), rgb("fff6c8")
        for near in (False, True):
            chosen = (size > 0.6) == near
            r = 9 * unit if near else 5 * unit
            power = breath[chosen].astype(np.float32)
            splat(out, px[chosen], py[chosen], r * 2.2, power * np.float32(0.22), glow)
            splat(out, px[chosen], py[chosen], r * 0.32, power, core)


class Birds:
    """A loose flock, wings beating, crossing the sky."""

    def __init__(self, setting: Setting, height: float = 0.3) -> None:
        self.setting = setting
        random = setting.rng("birds")
        n = int(random.integers(7, 13))
        self.direction = float(random.choice([-1, 1]))
        self.x = random.normal(0, 0.075, n)
        self.y = random.normal(0, 0.035, n) + height + np.abs(self.x) * 0.35
        self.phase = random.uniform(0, 6.28, n)
        self.size = random.uniform(0.008, 0.015, n)

    def draw(self, out: F32, t: float, view: View) -> None:
        _, height, width = out.shape
        unit = min(width, height)
        start = 0.5 - self.direction * 0.03 * self.setting.duration
        zoom = 3
        tone = self.setting.palette.near * np.float32(0.8)
        for x, y, phase, size in zip(self.x, self.y, self.phase, self.size, strict=True):
            cx = (start + x + self.direction * 0.06 * t) * width - view.x * 0.1
            cy = y * height + math.sin(t * 0.9 + phase) * 0.006 * unit
            beat = math.sin(t * 7.5 + phase) * (0.5 + 0.5 * math.sin(t * 0.7 + phase * 3))
            s = size * unit * 1.5
            box = math.ceil(s * 1.4) + 2
            left, top = int(cx) - box, int(cy) - box
            if left < 0 or top < 0 or left + 2 * box > width or top + 2 * box > height:
                continue
            tile = Image.new("L", (2 * box * zoom, 2 * box * zoom), 0)
            draw = ImageDraw.Draw(tile)
            ox, oy = (cx - left) * zoom, (cy - top) * zoom
            r = s * zoom
            for side in (-1, 1):
                elbow = (ox + side * r * 0.45, oy - r * (0.32 * beat + 0.12))
                tip = (ox + side * r, oy - r * (0.5 * beat - 0.1))
                draw.polygon(
                    [(ox, oy + r * 0.05), elbow, tip, (elbow[0], elbow[1] + r * 0.16),
                     (ox, oy + r * 0.2)], fill=255,
                )  # fmt: skip
            small = tile.resize((2 * box, 2 * box), Image.Resampling.BOX)
            alpha = np.asarray(small, dtype=np.float32) / np.float32(255) * np.float32(0.9)
            patch = out[:, top : top + 2 * box, left : left + 2 * box]
            patch += (tone[:, None, None] - patch) * alpha


class Part(Protocol):
    """One kind of thing over a scene."""

    def draw(self, out: F32, t: float, view: View) -> None: ...


# In the order in which they are drawn.
PARTS: Final[dict[str, Callable[[Setting], Part]]] = {
    "meteors": Meteors,
    "lightning": Lightning,
    "balloons": Balloons,
    "birds": Birds,
    "lanterns": Lanterns,
    "fireflies": Fireflies,
    "rain": Rain,
    "snow": Snow,
}


class Overlay:
    """Whatever the brief lays over the scene."""

    def __init__(self, setting: Setting, *, over_photo: bool = False) -> None:
        brief = setting.brief
        self.parts: list[Part] = []
        self.fog: Mist | None = None
        open_air = over_photo or brief.scene not in {"space", "underwater", "abstract"}
        if not open_air:
            if brief.scene == "space" and brief.has("meteors"):
                self.parts.append(Meteors(setting))
            return
        wanted = set(brief.accents | brief.weather)
        if brief.light == "storm" and not over_photo:
            wanted.add("lightning")
        self.parts += [make(setting) for name, make in PARTS.items() if name in wanted]
        if brief.has("fog"):
            tone = mix(setting.palette.far, setting.palette.sky[4], 0.5)
            self.fog = Mist(setting, setting.height * 0.7, setting.height * 0.26, tone, 0.62)

    def draw(self, out: F32, t: float, view: View) -> None:
        if self.fog is not None:
            self.fog.draw(out, t, view, 0.9)
        for part in self.parts:
            part.draw(out, t, view)
