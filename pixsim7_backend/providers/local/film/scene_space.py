"""Space: nebulae, stars at several distances, a turning planet."""

import math

import numpy as np

from pixsim7_backend.providers.local.film.canvas import View, mix, paste_sampled, paste_shifted, rgb
from pixsim7_backend.providers.local.film.noise import F32, fbm, smoothstep, warped
from pixsim7_backend.providers.local.film.particles import splat
from pixsim7_backend.providers.local.film.setting import Setting

NEBULAE = (
    ("1a0b3a", "b0338a", "ff9a6a", "3a7bff"),
    ("041830", "1f8fb8", "8ff0e0", "7a3aff"),
    ("200820", "d8432f", "ffc06a", "4a5aff"),
    ("0a1026", "4a5ae0", "e08aff", "28c8d8"),
)
PLANETS = (
    ("3a1f16", "c87f4a", "f2d3a0", "ffb37a"),
    ("0a2340", "2f7fb0", "e6f4ff", "7ac8ff"),
    ("2a1430", "9a5aa0", "f0c0d8", "e09aff"),
    ("10261a", "5a9a6a", "e0e8b0", "a0ffc8"),
)


class Space:
    """A deep picture that drifts, and near things that drift faster."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        random = setting.rng("space")
        w, h = setting.width, setting.height
        self.margin = setting.margin(0.25) + 4
        self.margin_y = int(setting.camera.reach_y * 0.25) + 6
        self.base = self._nebula(random, w + 2 * self.margin, h + 2 * self.margin_y)
        self.stars: list[tuple[F32, F32, F32, F32, F32, float]] = []
        area = w * h / (1280 * 720 * setting.unit**2)
        tones = [rgb("cfdcff"), rgb("ffffff"), rgb("ffe6c4")]
        for count, power, depth, radius in (
            (900, 0.34, 0.22, 0.75), (260, 0.7, 0.4, 1.0), (60, 1.15, 0.65, 1.6),
        ):  # fmt: skip
            n = int(count * area)
            for tone in tones:
                x, y, phase = (
                    random.uniform(-0.15, 1.15, n // 3).astype(np.float32) for _ in "xyz"
                )
                gain = random.uniform(0.3, 1.0, n // 3).astype(np.float32) * np.float32(power)
                self.stars.append((x, y, phase * 6, gain, tone, depth + radius / 100))
        wants = setting.brief.has("planet") or random.random() < 0.6
        self.planet = Planet(setting) if wants else None

    def _nebula(self, random: np.random.Generator, width: int, height: int) -> F32:
        deep, warm, bright, cool = (rgb(c) for c in NEBULAE[int(random.integers(len(NEBULAE)))])
        scale = height * 0.62
        cloud = warped(
            fbm(random, width, height, scale, octaves=8, gain=0.56),
            random,
            scale * 0.5,
            scale * 0.16,
        )
        fine = warped(
            fbm(random, width, height, scale * 0.5, octaves=7, gain=0.6, ridged=True),
            random,
            scale * 0.4,
            scale * 0.1,
        )
        hue = fbm(random, width, height, scale * 1.1, octaves=3)
        x = np.arange(width, dtype=np.float32)[None, :] / height - width / height / 2
        y = np.arange(height, dtype=np.float32)[:, None] / height - 0.5
        angle = float(random.uniform(-0.7, 0.7))
        across = y * math.cos(angle) - x * math.sin(angle)
        band = np.exp(-((across + 0.06 * cloud) ** 2) / 0.075).astype(np.float32)
        density = np.clip(smoothstep(-0.9, 2.2, cloud + 0.35 * fine) * (0.25 + 0.95 * band), 0, 1)
        dust = smoothstep(0.5, 2.0, fbm(random, width, height, scale * 0.45, octaves=7, gain=0.6))
        picture = np.empty((3, height, width), np.float32)
        picture[:] = (deep * np.float32(0.16))[:, None, None]
        tint = smoothstep(-1.1, 1.1, hue)
        gas = warm[:, None, None] * tint + cool[:, None, None] * (1 - tint)
        picture += gas * (density**1.35 * 0.85)
        picture += bright[:, None, None] * (np.clip(density - 0.48, 0, 1) ** 1.5 * 1.15)
        picture *= 1 - 0.62 * dust * band
        return np.clip(picture, 0, 1).astype(np.float32)

    def draw(self, out: F32, t: float, view: View) -> None:
        _, height, width = out.shape
        left, top = self.margin + view.x * 0.25, self.margin_y + view.y * 0.25
        zoom = 1 + view.dolly * 0.28
        if zoom > 1.0001:
            xs = left + width / 2 + (np.arange(width, dtype=np.float32) - width / 2) / zoom
            ys = top + height / 2 + (np.arange(height, dtype=np.float32) - height / 2) / zoom
            paste_sampled(out, self.base, xs, ys)
        else:
            paste_shifted(out, self.base, left, top)
        for x, y, phase, gain, tone, packed in self.stars:
            depth, radius = int(packed * 100) / 100, packed % 0.01 * 100
            radius, depth = (
                (0.75, 0.22) if packed < 0.3 else (1.0, 0.4) if packed < 0.5 else (1.6, 0.65)
            )
            grow = 1 + view.dolly * (0.4 + depth * 2.2)
            px = (x - 0.5) * width * grow + width / 2 - view.x * depth
            py = (y - 0.5) * height * grow + height / 2 - view.y * depth
            twinkle = gain * (0.8 + 0.2 * np.sin(t * (1.5 + phase) + phase * 7)).astype(np.float32)
            splat(out, px, py, radius * self.setting.unit, twinkle, tone)
        if self.planet is not None:
            self.planet.draw(out, t, view)


class Planet:
    """A sphere whose bands turn under a fixed light, in a thin lit air, perhaps ringed."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        random = setting.rng("planet")
        unit = min(setting.width, setting.height)
        self.radius = unit * float(random.uniform(0.2, 0.34))
        self.x = setting.width * float(random.choice([0.28, 0.72]))
        self.y = setting.height * float(random.uniform(0.4, 0.62))
        dark, body, light, air = (rgb(c) for c in PLANETS[int(random.integers(len(PLANETS)))])
        self.air = air
        tall, wide = 256, 1024
        banded = random.random() < 0.55
        noise = warped(
            fbm(random, wide, tall, 90, octaves=7, gain=0.55, stretch=3.2 if banded else 1.2),
            random,
            60,
            12,
        )
        if banded:
            noise = noise * 0.5 + fbm(random, 1, tall, 40, octaves=5)[:, :1] * 0.9
        low, high = smoothstep(-1.2, 0.4, noise), smoothstep(0.5, 1.7, noise)
        skin = mix(dark, body, 0.25)[:, None, None] * (1 - low) + body[:, None, None] * low
        self.skin = (skin + (light[:, None, None] - skin) * high).astype(np.float32).reshape(3, -1)
        self.wide = wide
        size = int(self.radius * 1.35)
        y, x = np.mgrid[-size : size + 1, -size : size + 1].astype(np.float32) / np.float32(
            self.radius
        )
        self.size, r2 = size, x * x + y * y
        tilt = float(random.uniform(-0.4, 0.4))
        z = np.sqrt(np.clip(1 - r2, 0, 1))
        u, v = x * math.cos(tilt) + y * math.sin(tilt), y * math.cos(tilt) - x * math.sin(tilt)
        longitude = np.arctan2(u, z + 1e-6)
        latitude = np.arcsin(np.clip(v, -1, 1))
        self.u = (longitude / math.pi * wide / 2 + wide).astype(np.int32)
        self.row = np.clip((latitude / math.pi + 0.5) * tall, 0, tall - 1).astype(np.int32) * wide
        side = -1.0 if self.x > setting.width / 2 else 1.0
        sun = np.array([0.72 * side, -0.42, 0.42])
        facing = x * sun[0] + y * sun[1] + z * sun[2]
        edge = 1.2 / self.radius
        r = np.sqrt(r2)
        self.alpha = smoothstep(1 + edge, 1 - edge, r)
        self.shade = (smoothstep(-0.12, 0.75, facing.astype(np.float32)) * 1.05 + 0.015) * (
            0.55 + 0.45 * z
        )
        rim = np.exp(-np.abs(1 - r) / 0.035) * smoothstep(
            -0.35, 0.7, (x * sun[0] + y * sun[1]).astype(np.float32)
        )
        halo = (
            np.exp(-np.clip(r - 1, 0, None) / 0.09)
            * (r > 1)
            * smoothstep(-0.5, 0.9, (x * sun[0] + y * sun[1]).astype(np.float32))
        )
        self.rim = (0.75 * rim + 0.28 * halo).astype(np.float32) * smoothstep(1.34, 1.1, r)

    def draw(self, out: F32, t: float, view: View) -> None:
        _, height, width = out.shape
        cx, cy = int(self.x - view.x * 0.5), int(self.y - view.y * 0.5)
        left, top, size = cx - self.size, cy - self.size, 2 * self.size + 1
        x0, y0 = max(0, -left), max(0, -top)
        x1, y1 = min(size, width - left), min(size, height - top)
        if x1 <= x0 or y1 <= y0:
            return
        cut = np.s_[y0:y1, x0:x1]
        index = self.row[cut] + ((self.u[cut] + int(t * 14)) % self.wide)
        patch = out[:, top + y0 : top + y1, left + x0 : left + x1]
        alpha, shade, rim = self.alpha[cut], self.shade[cut], self.rim[cut]
        for c in range(3):
            body = np.take(self.skin[c], index)
            body *= shade
            body -= patch[c]
            body *= alpha
            patch[c] += body
            patch[c] += rim * self.air[c]
