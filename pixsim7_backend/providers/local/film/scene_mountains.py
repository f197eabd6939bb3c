"""Mountains: ranges in the air, wooded hills, mist in the valleys, perhaps a lake."""

from dataclasses import replace

import numpy as np

from pixsim7_backend.providers.local.film.canvas import Layer, View, draw_layers, mix, rgb
from pixsim7_backend.providers.local.film.mist import Mist
from pixsim7_backend.providers.local.film.noise import F32
from pixsim7_backend.providers.local.film.setting import Setting
from pixsim7_backend.providers.local.film.sky import Sky
from pixsim7_backend.providers.local.film.terrain import Ridge, paint_ridges, profile
from pixsim7_backend.providers.local.film.water import Water

GROUND = {
    "day": ("7d93a6", "3f5f3c", "1f3a1c"),
    "sunrise": ("a58fa6", "5a5a6a", "262a3a"),
    "overcast": ("9aa7ae", "57665f", "242f2c"),
    "storm": ("4c5860", "2a343a", "0c1114"),
}


class Mountains:
    """Five or six sheets between the sky and the viewer."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        brief, palette = setting.brief, setting.palette
        w, h = setting.width, setting.height
        random = setting.rng("mountains")
        tall = h > w
        self.horizon = int(h * (0.66 if tall else 0.64))
        low_sun = brief.light in {"sunset", "sunrise", "dusk"}
        far, middle, near = self._ground()
        if brief.has("autumn"):
            middle, near = mix(middle, rgb("a8562a"), 0.55), mix(near, rgb("5a2416"), 0.5)
        glow = palette.sky[4]
        mist = mix(glow, palette.far, 0.35)
        # Snow is as light as what shines on it.
        bright = mix(palette.cloud_lit, rgb("ffffff"), 0.45 if brief.light == "day" else 0.12)
        wants_snow = brief.has("snowcaps") or brief.has("snow")
        snow = (
            mix(bright, far, 0.45 if low_sun else 0.2)
            if wants_snow or random.random() < 0.5
            else None
        )
        if brief.has("green") and not wants_snow:
            snow = None
        relief = {"day": 0.34, "overcast": 0.18, "sunrise": 0.2, "night": 0.25}.get(
            brief.light, 0.15
        )
        light = palette.glow if low_sun else None
        # Against a low sun the near woods are silhouettes.
        lit = 1.0 if brief.light in {"day", "overcast"} else 0.0
        unit = min(w, h)
        gentle = brief.has("green") and not brief.has("snowcaps")
        peak = 0.15 if gentle else float(random.uniform(0.24, 0.32))
        hz = self.horizon
        ridges = [
            Ridge("far", 0.10, hz + 0.02 * h, peak * h, unit * 0.72, far,
                  mist, 0.26 * h, 0.85, not gentle, 0.5, relief, light, snow, 0.34),
            Ridge("range", 0.17, hz + 0.075 * h, peak * 0.66 * h, unit * 0.6,
                  mix(far, middle, 0.42), mist, 0.2 * h, 0.75, not gentle, 0.5, relief, light,
                  snow if wants_snow else None, 0.2),
            Ridge("hills", 0.30, hz + 0.13 * h, 0.13 * h, unit * 0.5, mix(far, middle, 0.85),
                  mist, 0.15 * h, 0.6, False, 0.46, relief * 0.7, light),
            Ridge("wood", 0.48, hz + 0.2 * h, 0.10 * h, unit * 0.6, mix(middle, near, 0.35),
                  mix(mist, middle, 0.4), 0.15 * h, 0.5, False, 0.45, relief * 0.4 * lit, None,
                  trees=1.1, tree_height=0.035 * unit),
            Ridge("bank", 0.72, hz + 0.29 * h, 0.075 * h, unit * 0.8, mix(middle, near, 0.75),
                  mix(mist, near, 0.65), 0.16 * h, 0.4, False, 0.42, relief * 0.25 * lit, None,
                  trees=0.8, tree_height=0.085 * unit, bowl=0.05 * h),
            Ridge("front", 1.0, h * 1.02, 0.05 * h, unit * 1.0, near, near, h, 0.0,
                  False, 0.4, 0.0, None, trees=0.42, tree_height=0.2 * unit, bowl=0.075 * h),
        ]  # fmt: skip
        self.sky = Sky(setting, hz, sun_x=self._saddle(ridges[:2]))
        side = 1.0 if self.sky.sun_x - self.sky.margin < w / 2 else -1.0
        ridges = [replace(ridge, side=side) for ridge in ridges]
        self.water: Water | None = None
        if brief.has("lake"):
            self.water = Water(setting, int(hz + 0.1 * h), calm=True)
            ridges = [ridges[0], ridges[1], ridges[2], ridges[5]]
        layers = paint_ridges(setting, ridges, hz)
        self.back: list[Layer] = layers[:3]
        self.front: list[Layer] = layers[3:]
        thick = 0.75 if brief.has("fog") else 0.4 if low_sun or brief.light == "overcast" else 0.24
        self.mist = Mist(setting, hz + 0.1 * h, 0.1 * h, mist, thick)
        self.low_mist = Mist(setting, hz + 0.22 * h, 0.07 * h, mix(mist, middle, 0.3), thick * 0.6)

    def _saddle(self, ridges: list[Ridge]) -> float:
        """Where the skyline of the far ranges is lowest: there the sun is seen."""
        width = self.setting.width
        crests = []
        for ridge in ridges:
            margin = self.setting.margin(ridge.depth)
            crest = profile(self.setting, ridge, width + 2 * margin)
            crests.append(crest[margin : margin + width])
        skyline = np.minimum.reduce(crests)
        smooth = np.convolve(skyline, np.ones(width // 20) / (width // 20), "same")
        low, high = int(0.25 * width), int(0.75 * width)
        return (low + int(np.argmax(smooth[low:high]))) / width

    def _ground(self) -> tuple[F32, F32, F32]:
        palette = self.setting.palette
        light = self.setting.brief.light
        if light in GROUND:
            far, middle, near = (rgb(code) for code in GROUND[light])
            return mix(far, palette.far, 0.5), middle, near
        far, near = palette.far, palette.near
        shade = mix(palette.sky[1], near, 0.3)
        return mix(far, shade, 0.5), mix(mix(far, shade, 0.7), near, 0.6), near

    def draw(self, out: F32, t: float, view: View) -> None:
        height = out.shape[1]
        solid = self.back[-1].solid_at(view, height)
        self.sky.draw(out, t, view, min(solid, self.back[0].solid_at(view, height)))
        draw_layers(out, self.back, view)
        self.mist.draw(out, t, view, 0.3)
        if self.water is not None:
            self.water.draw(out, t, view)
        draw_layers(out, self.front[:1], view)
        if len(self.front) > 1:
            self.low_mist.draw(out, t, view, 0.6)
            draw_layers(out, self.front[1:], view)
        self.sky.spill(out, t)
