"""A camera in front of a given picture: near parts move more than far ones."""

import math

import numpy as np
from PIL import Image

from pixsim7_backend.providers.local.film.canvas import STRIP, View, add, luma
from pixsim7_backend.providers.local.film.media import cover, planar
from pixsim7_backend.providers.local.film.noise import F32, blur, f32, normal, smoothstep
from pixsim7_backend.providers.local.film.setting import Setting
from pixsim7_backend.providers.local.film.warp import Warper, enlarged
from pixsim7_backend.providers.local.film.weather import Overlay

# How much of red, green and blue each light lets through.
TINTS: dict[str, tuple[float, float, float]] = {
    "sunset": (1.12, 0.92, 0.78),
    "sunrise": (1.08, 0.99, 0.88),
    "day": (1.03, 1.02, 0.98),
    "dusk": (0.82, 0.8, 1.04),
    "night": (0.46, 0.55, 0.86),
    "storm": (0.6, 0.66, 0.74),
    "overcast": (0.88, 0.92, 0.96),
}


def guess_depth(picture: F32) -> F32:
    """Nearness 0..1 for want of knowledge: what is low, central and rich in contrast is near."""
    _, height, width = picture.shape
    light = luma(picture)
    detail = blur(np.abs(light - blur(light, height * 0.02)), height * 0.09)
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    centre = np.exp(-(x * x) / 0.5 - ((y - 0.58) ** 2) / 0.16)
    rough = 0.5 * y + 0.34 * centre + 0.1 * normal(detail)
    return np.clip(blur(rough.astype(np.float32), height * 0.06), 0, 1)


class Photo:
    """The moving picture; `momentum` is the speed, in pixels a second, with which it begins."""

    def __init__(
        self,
        setting: Setting,
        image: Image.Image,
        *,
        continues: bool = False,
        momentum: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        self.setting, self.continues, self.momentum = setting, continues, momentum
        size = (setting.width, setting.height)
        self.source = Warper(cover(image, *enlarged(size, image)))
        small = cover(image, *size)
        self.depth = guess_depth(planar(small))
        self.factor = np.float32(self.source.width / setting.width)
        w, h = size
        self.x = np.arange(w, dtype=np.float32)[None, :] - np.float32(w / 2)
        self.y = np.arange(h, dtype=np.float32)[:, None] - np.float32(h / 2)
        self.overlay = Overlay(setting, over_photo=True)
        tint = TINTS[setting.brief.light] if setting.brief.light_asked else (1.0, 1.0, 1.0)
        self.tint = np.array(tint, np.float32)
        self.glow = self._glow()

    def _glow(self) -> F32 | None:
        brief, setting = self.setting.brief, self.setting
        if not brief.light_asked or brief.light not in {"sunset", "sunrise", "day"}:
            return None
        at = float(setting.rng("glow").choice([0.15, 0.85])) * setting.width
        x = (self.x + setting.width / 2 - at) / setting.height
        y = (self.y + setting.height * 0.5) / setting.height
        return (0.34 * np.exp(-(x * x + y * y) / 0.24)).astype(np.float32)

    def path(self, t: float) -> tuple[float, float, float]:
        """Sideways, down and in: in shares of the frame and as a zoom."""
        setting = self.setting
        p = min(1.0, t / setting.duration)
        ease = p * p * (3 - 2 * p)
        if self.continues:
            vx, vy = self.momentum
            glide = 1.1 * (1 - math.exp(-t / 1.1))
            x, y = vx * glide / setting.width, vy * glide / setting.height
            slow = min(1.0, t / 1.2)
            push = 0.022 * setting.duration * (p * slow)
            return x, y, 1 + 2.3 * max(abs(x), abs(y)) + push
        reach = min(0.09, 0.03 + 0.012 * setting.duration)
        push = min(0.26, 0.05 + 0.026 * setting.duration)
        c = 0.8 * p + 0.2 * ease - 0.5
        match setting.brief.camera:
            case "pan_left":
                return -c * 2 * reach, 0.0, 1 + 2.1 * reach
            case "pan_right":
                return c * 2 * reach, 0.0, 1 + 2.1 * reach
            case "tilt_up":
                return 0.0, -c * 2 * reach, 1 + 2.1 * reach
            case "tilt_down":
                return 0.0, c * 2 * reach, 1 + 2.1 * reach
            case "zoom_out":
                return 0.0, 0.0, 1 + push * (1 - ease)
            case "orbit":
                turn = 2 * math.pi * p
                return (
                    reach * 0.8 * math.sin(turn),
                    reach * 0.2 * (1 - math.cos(turn)),
                    1 + 2 * reach * ease,
                )
            case "static":
                return 0.0, 0.0, 1 + 0.012 * math.sin(2 * math.pi * p)
            case _:
                return reach * 0.3 * ease, 0.0, 1 + push * ease

    def draw(self, out: F32, t: float, view: View) -> None:
        setting = self.setting
        x, y, zoom = self.path(t)
        # Where nothing has moved yet, near and far agree: the first frame is the picture itself.
        moved = np.float32((zoom - 1) * 0.42)
        across, down = np.float32(x * setting.width), np.float32(y * setting.height)
        middle_x, middle_y = np.float32(setting.width / 2), np.float32(setting.height / 2)
        for start in range(0, setting.height, STRIP):
            part = np.s_[start : min(start + STRIP, setting.height)]
            depth = self.depth[part]
            scale = 1 / (np.float32(zoom) + moved * (depth - np.float32(0.5)))
            lean = depth * np.float32(0.7) + np.float32(0.65)
            xs = (self.x * scale + lean * across + middle_x) * self.factor
            ys = (self.y[part] * scale + lean * down + middle_y) * self.factor
            self.source.paste(out[:, part], xs, ys)
        arrive = float(smoothstep(0.0, 1.5, np.array(t, np.float32)))
        light = arrive if self.continues else 0.35 + 0.65 * arrive
        gain = 1 + (self.tint - 1) * np.float32(light)
        if np.any(np.abs(gain - 1) > 0.004):
            out *= gain[:, None, None]
        if self.glow is not None:
            breath = np.float32(light * (0.9 + 0.1 * math.sin(t * 1.3)))
            add(out, setting.palette.glow, self.glow * breath)
        if self.overlay.parts or self.overlay.fog is not None:
            if self.continues and arrive < 1:
                before = out.copy()
                self.overlay.draw(out, t, view)
                out -= before
                out *= np.float32(arrive)
                out += before
            else:
                self.overlay.draw(out, t, view)


def drift_between(before: F32, after: F32, frames: int) -> tuple[float, float]:
    """How the camera moved, in pixels of `after` per frame, by phase correlation."""
    height, width = after.shape[1:]
    across, down = 192, 108

    def small(picture: F32) -> F32:
        image = Image.fromarray(luma(picture)).resize((across, down), Image.Resampling.BOX)
        plane = np.asarray(image, dtype=np.float32)
        window = np.hanning(down)[:, None] * np.hanning(across)[None, :]
        return f32(((plane - plane.mean()) * window).astype(np.float32))

    one, two = np.fft.rfft2(small(before)), np.fft.rfft2(small(after))
    cross = one * np.conj(two)
    peak = np.fft.irfft2(cross / (np.abs(cross) + 1e-6), s=(down, across))
    row, column = np.unravel_index(int(np.argmax(peak)), peak.shape)
    if float(peak.max()) < 0.12:
        return 0.0, 0.0
    dy = float(row) - (down if row > down / 2 else 0)
    dx = float(column) - (across if column > across / 2 else 0)
    most = 0.004
    vx = min(max(dx / across / frames, -most), most) * width
    vy = min(max(dy / down / frames, -most), most) * height
    return vx, vy
