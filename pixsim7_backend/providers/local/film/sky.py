"""The sky: gradient, sun or moon with their glow, drifting clouds, stars, aurora."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from pixsim7_backend.providers.local.film.canvas import (
    STRIP,
    View,
    add,
    gradient,
    mix,
    paste_shifted,
    rgb,
    shifted,
)
from pixsim7_backend.providers.local.film.noise import (
    F32,
    f32,
    fbm,
    fbm_line,
    resize,
    smoothstep,
    warped,
)
from pixsim7_backend.providers.local.film.particles import splat
from pixsim7_backend.providers.local.film.setting import Setting

DEPTH = 0.05


class Sky:
    """Everything behind the furthest ridge, above `horizon` (a row of the frame)."""

    def __init__(self, setting: Setting, horizon: int, *, sun_x: float | None = None) -> None:
        self.setting, self.horizon = setting, horizon
        palette, random = setting.palette, setting.rng("sky")
        width, height = setting.width, setting.height
        self.margin = setting.margin(DEPTH)
        self.margin_y = int(setting.camera.reach_y * DEPTH) + 4
        full_w = width + 2 * self.margin
        self.rows = min(height, horizon + int(0.12 * height)) + 2 * self.margin_y
        across = float(random.uniform(0.3, 0.7)) if sun_x is None else sun_x
        self.sun_x = self.margin + width * across
        self.sun_y = self.margin_y + horizon * (1 - palette.sun_height)
        stops = [(p, c) for p, c in zip((0, 0.34, 0.62, 0.86, 1), palette.sky, strict=True)]
        column = gradient(stops, horizon + self.margin_y)
        rest = np.repeat(column[:, -1:], self.rows - column.shape[1], axis=1)
        column = np.concatenate([column, rest], axis=1)
        self.base = np.repeat(column[:, :, None], full_w, axis=2)
        x = np.arange(full_w, dtype=np.float32)[None, :] - np.float32(self.sun_x)
        y = np.arange(self.rows, dtype=np.float32)[:, None] - np.float32(self.sun_y)
        self.distance = np.sqrt(x * x + y * y) / np.float32(height)
        if setting.brief.light == "night":
            self._milky_way(random, full_w)
        self._light(x, y, float(palette.sun_size))
        self.veil = self._veil()
        self.stars = self._make_stars(random)
        self.clouds = Clouds(setting, self) if palette.cloudiness > 0 else None
        self.aurora = Aurora(setting, horizon) if setting.brief.has("aurora") else None

    def _light(self, x: F32, y: F32, size: float) -> None:
        palette, height = self.setting.palette, self.setting.height
        night = self.setting.brief.light == "night"
        low = self.setting.brief.light in {"sunset", "sunrise", "dusk"}
        if self.setting.brief.light in {"overcast", "storm"} or (night and size == 0):
            return
        r = self.distance
        wide = np.exp(-((x / (0.75 * height)) ** 2) - (y / (0.24 * height)) ** 2) if low else 0 * r
        halo = 0.55 * np.exp(-r / 0.10) + 0.34 * np.exp(-r / 0.3) + 0.42 * wide
        if night:
            halo *= 0.55
        elif not low:
            halo *= 0.8
        light = np.clip(halo, 0, 1).astype(np.float32)
        self.base += (palette.glow[:, None, None] - self.base) * (light * np.float32(0.8))
        core = (0.5 * np.exp(-r / 0.045)).astype(np.float32)
        if size > 0 and palette.sun_height > 0:
            short = min(self.setting.width, height) / height
            edge = np.float32(size * short)
            soft = np.float32(1.3 / height)
            disc = smoothstep(0, 1, (edge - r) / soft * 0.5 + 0.5)
            if night:
                self._moon(disc, x, y, float(edge) * height)
            else:
                core = np.maximum(core, disc)
        else:
            core *= 0.4
        self.base += (palette.sun[:, None, None] - self.base) * core

    def _moon(self, disc: F32, x: F32, y: F32, radius: float) -> None:
        marks = fbm(self.setting.rng("moon"), disc.shape[1], disc.shape[0], radius * 0.9, octaves=5)
        shade = 0.93 - 0.11 * smoothstep(-0.2, 1.4, marks)
        shade *= 1 - 0.25 * smoothstep(
            0.3, 1.2, np.hypot(x + radius * 0.3, y + radius * 0.3) / radius
        )
        colour = self.setting.palette.sun[:, None, None] * shade
        self.base += (colour - self.base) * disc

    def _milky_way(self, random: np.random.Generator, full_w: int) -> None:
        height = self.setting.height
        x = np.arange(full_w, dtype=np.float32)[None, :] / height
        y = np.arange(self.rows, dtype=np.float32)[:, None] / height
        slope = float(random.uniform(0.5, 1.0)) * random.choice([-1, 1])
        middle = full_w / height / 2 + float(random.uniform(-0.2, 0.2))
        across = (y - 0.3) * np.cos(slope) - (x - middle) * np.sin(slope)
        cloud = fbm(random, full_w, self.rows, height * 0.3, octaves=6, gain=0.6)
        dust = smoothstep(
            0.1, 1.6, fbm(random, full_w, self.rows, height * 0.2, octaves=6, gain=0.6)
        )
        band = np.exp(-((across + 0.03 * cloud) ** 2) / 0.018) * (0.7 + 0.3 * cloud)
        band = np.clip(band, 0, 1.5) * (1 - 0.75 * dust * np.exp(-(across**2) / 0.004))
        amount = (band * 0.2 * smoothstep(0.75, 0.3, y)).astype(np.float32)
        add(self.base, mix(rgb("8fa4e8"), rgb("e8b8d0"), float(random.uniform(0, 0.7))), amount)

    def _veil(self) -> F32 | None:
        """Light that spills over whatever stands before the sun."""
        if self.setting.palette.sun_size <= 0:
            return None
        height, width = self.setting.height, self.setting.width
        x = np.arange(width, dtype=np.float32)[None, :] - np.float32(self.sun_x - self.margin)
        y = np.arange(height, dtype=np.float32)[:, None] - np.float32(self.sun_y - self.margin_y)
        r = np.sqrt(x * x + y * y) / np.float32(height)
        strength = 0.1 if self.setting.brief.light == "night" else 0.26
        return f32(
            (strength * np.exp(-r / 0.16) + 0.4 * strength * np.exp(-r / 0.45)).astype(np.float32)
        )

    def _make_stars(self, random: np.random.Generator) -> tuple[F32, F32, F32, F32] | None:
        amount = self.setting.palette.stars
        if self.setting.brief.has("stars"):
            amount = max(amount, 0.6)
        if amount <= 0.02 or self.setting.brief.weather & {"rain", "fog"}:
            return None
        count = int(900 * amount * self.setting.width / self.setting.height)
        x = random.uniform(0, self.setting.width + 2 * self.margin, count).astype(np.float32)
        y = (random.uniform(0, 1, count) ** 1.15 * self.horizon).astype(np.float32)
        power = (random.pareto(2.1, count) * 0.16 + 0.1).clip(0, 1.1).astype(np.float32)
        fade = 1 - smoothstep(0.5, 1.0, y / self.horizon)
        phase = random.uniform(0, 6.28, count).astype(np.float32)
        return x, y, power * fade * np.float32(min(1, amount + 0.25)), phase

    def draw(self, out: F32, t: float, view: View, until: int) -> None:
        rows = min(until, self.rows - 2 * self.margin_y)
        if rows <= 0:
            return
        left, top = self.margin + view.x * DEPTH, self.margin_y + view.y * DEPTH
        paste_shifted(out[:, :rows], self.base, left, top)
        if until > rows:
            out[:, rows:until] = out[:, rows - 1 : rows]
        sky = out[:, :rows]
        if self.stars is not None:
            x, y, power, phase = self.stars
            twinkle = power * (0.78 + 0.22 * np.sin(phase + t * (2 + phase))).astype(np.float32)
            big = power > 0.42
            unit = self.setting.unit
            at_x, at_y = x - np.float32(left), y + np.float32(self.margin_y - top)
            for chosen, radius in ((~big, 0.8 * unit), (big, 1.5 * unit)):
                splat(sky, at_x[chosen], at_y[chosen], radius, twinkle[chosen], rgb("e9efff"))
        if self.aurora is not None:
            self.aurora.draw(sky, t)
        if self.clouds is not None:
            self.clouds.draw(sky, t, view)

    def spill(self, out: F32, t: float) -> None:
        if self.veil is not None:
            add(out, self.setting.palette.glow, self.veil)


class Clouds:
    """Two sheets of noise that drift at different speeds, lit from the side of the sun."""

    def __init__(self, setting: Setting, sky: Sky) -> None:
        self.setting = setting
        palette, random = setting.palette, setting.rng("clouds")
        width, height = setting.width, setting.height
        self.rows = min(sky.horizon, height)
        self.speed = np.float32(width * 0.007 * float(random.choice([-1, 1])))
        reach = int(abs(self.speed) * setting.duration * 1.8) + setting.margin(0.12) * 2 + 8
        self.reach = reach
        full_w = width + reach
        # Perspective: rows crowd together towards the horizon.
        rows = np.arange(self.rows, dtype=np.float32)
        nearness = (self.rows - rows) / self.rows
        depth = (1.25 / (nearness + 0.25) - 1.0) * 0.62
        tall = int(height * 1.9)
        index = np.clip(depth / depth[-1] * (tall - 2), 0, tall - 2)
        low, part = index.astype(np.intp), (index % 1)[:, None].astype(np.float32)
        scale = 0.34 * height

        def sheet(name: str, size: float, octaves: int) -> F32:
            noise = fbm(
                setting.rng(name), full_w, tall, size, octaves=octaves, gain=0.53, stretch=1.9
            )
            noise = warped(noise, setting.rng(name, "warp"), size * 0.5, size * 0.075)
            return f32(noise[low] * (1 - part) + noise[low + 1] * part)

        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(sheet, "cloud a", scale, 7)
            second = pool.submit(sheet, "cloud b", scale * 0.4, 4)
            self.first, self.second = first.result(), second.result() * np.float32(0.45)
        cover = palette.cloudiness
        if setting.brief.weather & {"rain", "snow"}:
            cover = max(cover, 0.72)
        if setting.brief.has("aurora"):
            cover = 0.12
        self.threshold = np.float32(1.35 - 2.1 * cover)
        low_light = palette.sun_height < 0.3
        self.toward = (5 if low_light else -5) * max(1, round(setting.unit * 2))
        crop = sky.base[:, sky.margin_y : sky.margin_y + self.rows, sky.margin : sky.margin + width]
        nearby = sky.distance[
            sky.margin_y : sky.margin_y + self.rows, sky.margin : sky.margin + width
        ]
        near_sun = np.exp(-nearby / 0.38).astype(np.float32)
        lit = palette.cloud_lit[:, None, None] * np.float32(0.92) + crop * np.float32(0.1)
        lit += (palette.sun[:, None, None] - lit) * near_sun * np.float32(0.75)
        dark = palette.cloud_dark[:, None, None] * np.float32(0.62) + crop * np.float32(0.38)
        dark += (palette.glow[:, None, None] - dark) * near_sun * np.float32(0.28)
        self.dark = dark.astype(np.float32)
        self.gap = (np.clip(lit, 0, 1.05) - dark).astype(np.float32)
        fade = smoothstep(0.0, 0.16, nearness)[:, None]
        most = 0.97 if cover > 0.7 else 0.82
        self.mask = np.repeat((fade * most).astype(np.float32), width, axis=1)

    def draw(self, out: F32, t: float, view: View) -> None:
        rows = min(self.rows, out.shape[1])
        middle = self.reach / 2 + view.x * 0.12
        drift = float(self.speed) * (t - self.setting.duration / 2)
        for start in range(0, rows, 2 * STRIP):
            stop = min(rows, start + 2 * STRIP)
            self._strip(out[:, start:stop], start, stop, middle + drift, middle + drift * 1.7)

    def _strip(self, sky: F32, start: int, stop: int, first: float, second: float) -> None:
        width, step = sky.shape[2], self.toward
        # Light comes from below or above: rows that far outside are needed to shade this strip.
        low, high = max(0, start + min(0, step)), min(self.rows, stop + max(0, step))
        noise = shifted(self.first[low:high], first, 0, width, high - low)
        noise = noise + shifted(self.second[low:high], second, 0, width, high - low)
        n = noise[start - low : stop - low]
        alpha = n - self.threshold
        alpha *= np.float32(0.75)
        np.clip(alpha, 0, 1, out=alpha)
        if not alpha.any():
            return
        alpha *= 2 - alpha
        alpha *= self.mask[start:stop]
        at = np.clip(np.arange(start, stop) + step - low, 0, high - low - 1)
        lit = n - noise[at[0] : at[-1] + 1] if at[-1] - at[0] == stop - start - 1 else n - noise[at]
        lit *= np.float32(0.62)
        lit += np.float32(0.4)
        # Thin cloud lets light through.
        lit -= alpha * np.float32(0.2)
        np.clip(lit, 0, 1, out=lit)
        colour = self.gap[:, start:stop] * lit
        colour += self.dark[:, start:stop]
        colour -= sky
        colour *= alpha
        sky += colour


class Aurora:
    """Curtains of light that wave and ripple; painted small and enlarged, as they are soft."""

    def __init__(self, setting: Setting, horizon: int) -> None:
        self.width, self.rows = setting.width, horizon
        self.small_w, self.small_h = setting.width // 4, max(8, horizon // 4)
        random = setting.rng("aurora")
        self.path = [
            fbm_line(random, self.small_w * 4, self.small_w * 0.6, octaves=3) for _ in range(3)
        ]
        self.folds = [
            fbm_line(random, self.small_w * 4, self.small_w * 0.05, octaves=3) for _ in range(3)
        ]
        self.glow = [
            fbm_line(random, self.small_w * 4, self.small_w * 0.4, octaves=3) for _ in range(3)
        ]
        options = [("4dffb0", "9a5cff"), ("5cffa0", "ff6ab8"), ("48f0c8", "5a78ff")]
        low, high = options[int(random.integers(len(options)))]
        self.low, self.high = rgb(low), rgb(high)

    def draw(self, out: F32, t: float) -> None:
        width, rows = self.small_w, self.small_h
        x = np.arange(width)
        y = np.arange(rows, dtype=np.float32)[:, None] / rows
        green, violet = np.zeros((rows, width), np.float32), np.zeros((rows, width), np.float32)
        for i in range(3):
            place = x + int(width * (0.5 + 0.8 * i))
            sway = self.path[i][(place + int(t * width * 0.02)) % self.path[i].size]
            sway = sway + f32(0.35 * np.sin(x / width * 7 + t * 0.8 + i))
            base: F32 = (0.72 - 0.13 * i + 0.075 * sway).astype(np.float32)
            shift = t * width * (0.035 + 0.01 * i)
            at = place + shift
            f = np.float32(at[0] % 1)
            i0 = at.astype(int) % (self.folds[i].size - 1)
            folds = self.folds[i][i0] * (1 - f) + self.folds[i][i0 + 1] * f
            power = np.clip(
                0.55 + 0.4 * self.glow[i][(place + int(t * 6)) % self.glow[i].size], 0, 1.4
            )
            power = (power * (0.72 + 0.3 * folds)).clip(0, 1.5).astype(np.float32)
            up = base - y
            length = (0.2 + 0.06 * self.glow[i][x + 7]).astype(np.float32)
            body = np.exp(-np.maximum(up, 0) / length) * smoothstep(-0.03, 0.02, up) * power
            green += body * np.exp(-np.maximum(up, 0) / 0.16)
            violet += body * smoothstep(0.05, 0.35, up)
        for amount, colour, gain in ((green, self.low, 0.85), (violet, self.high, 0.62)):
            big = resize(amount, self.width, self.rows)[: out.shape[1]]
            big *= np.float32(gain)
            add(out[:, : big.shape[0]], colour, big)
