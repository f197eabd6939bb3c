"""Dunes: lit and shaded flanks with sharp crests, rippled sand, dust on the wind."""

import numpy as np

from pixsim7_backend.providers.local.film.canvas import Layer, View, draw_layers, mix, rgb
from pixsim7_backend.providers.local.film.mist import Mist
from pixsim7_backend.providers.local.film.noise import F32, fbm, fbm_line, smoothstep
from pixsim7_backend.providers.local.film.setting import Setting
from pixsim7_backend.providers.local.film.sky import Sky

SAND = {
    "day": ("f0d29a", "a8703e", "d8b48a"),
    "sunset": ("f08a4a", "4a1c2c", "c8644e"),
    "sunrise": ("f2b488", "6a4458", "d8a090"),
    "dusk": ("8a6a80", "1a1634", "6a5a80"),
    "night": ("3a466e", "060a1c", "1e2a50"),
    "overcast": ("c8b090", "7a6450", "b0a090"),
    "storm": ("8a7458", "2a2420", "5c5246"),
}


class Desert:
    """Five dunes, one behind the other."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        h, w = setting.height, setting.width
        self.horizon = int(h * 0.56)
        self.sky = Sky(setting, self.horizon)
        lit, dark, far = (rgb(c) for c in SAND.get(setting.brief.light, SAND["day"]))
        self.lit, self.dark = lit, dark
        self.far = mix(far, setting.palette.sky[4], 0.35)
        self.side = 1.0 if self.sky.sun_x < w / 2 else -1.0
        rows = [(0.08, 0.01, 0.05), (0.2, 0.075, 0.075), (0.38, 0.16, 0.11), (0.65, 0.27, 0.15),
                (1.0, 0.46, 0.2)]  # fmt: skip
        self.layers: list[Layer] = [
            self._dune(i, depth, self.horizon + base * h, rise * h, 1 - i / (len(rows) - 1))
            for i, (depth, base, rise) in enumerate(rows)
        ]
        dust = mix(self.far, lit, 0.5)
        self.dust = Mist(setting, self.horizon + 0.1 * h, 0.07 * h, dust, 0.32)

    def _dune(self, index: int, depth: float, base: float, rise: float, air: float) -> Layer:
        setting = self.setting
        random = setting.rng("dune", index)
        margin = setting.margin(depth)
        width = setting.width + 2 * margin
        unit = min(setting.width, setting.height)
        scale = unit * (0.5 + 0.75 * depth)
        line = fbm_line(random, width, scale, octaves=2, gain=0.35)
        # A dune rises gently and falls away steeply: lean the smooth line over.
        lean = line + 0.28 * fbm_line(random, width, scale * 0.6, octaves=1)
        crest = (base - rise * (0.5 + 0.5 * np.tanh(lean * 0.7))).astype(np.float32)
        top = int(crest.min()) - 3
        rows = max(8, setting.height + int(setting.camera.reach_y * depth) + 2 - top)
        y = np.arange(top, top + rows, dtype=np.float32)[:, None]
        below = y - crest[None, :]
        inside = np.maximum(below, 0)
        slope = np.gradient(crest) / max(1e-6, rise / scale)
        facing = np.clip(0.5 + 0.55 * self.side * slope, 0, 1).astype(np.float32)
        # The knife edge winds down from each summit; on one side light, on the other shadow.
        wander = fbm(random, width, rows, scale * 0.55, octaves=3, gain=0.4, stretch=1.3)
        # Down the flank the edge runs away from the sun, in a curve.
        run = self.side * 1.5 * inside ** np.float32(0.94) + wander * (0.05 * scale)
        source = np.clip(np.arange(width)[None, :] + run, 0, width - 1).astype(np.intp)
        edge = facing[source] + 0.05 * wander - 0.1 * inside / (rise * 2.2)
        light = smoothstep(0.40, 0.58, edge) * 0.8 + 0.2 * smoothstep(0.1, 1.0, edge)
        period = unit * (0.006 + 0.012 * depth)
        warp = fbm(random, width, rows, unit * 0.12, octaves=3) * 1.9
        ripples = np.sin((inside * 1.3 + np.arange(width)[None, :] * 0.22) / period + warp)
        fade = smoothstep(2.0, 60 * setting.unit, inside) * (1 - air) ** 1.5
        light += 0.075 * ripples * fade
        colour = self.dark[:, None, None] + (self.lit - self.dark)[:, None, None] * light
        rim = np.exp(-inside / (3.0 * setting.unit)) * 0.16
        colour += self.lit[:, None, None] * rim
        colour += (self.far[:, None, None] - colour) * np.float32(0.88 * air**1.15)
        foot = smoothstep(0, rise * 1.8, below) * (0.12 + 0.3 * air)
        colour += (self.far[:, None, None] - colour) * foot
        alpha = np.clip(below + 0.5, 0, 1).astype(np.float32)
        return Layer(colour.astype(np.float32), alpha, top, depth, margin, float(self.horizon))

    def draw(self, out: F32, t: float, view: View) -> None:
        height = out.shape[1]
        self.sky.draw(out, t, view, self.layers[0].solid_at(view, height))
        draw_layers(out, self.layers[:3], view)
        self.dust.draw(out, t, view, 0.3)
        draw_layers(out, self.layers[3:], view)
        self.sky.spill(out, t)
