"""From picture to picture: both flow along one field while noise lets the next one through."""

from itertools import pairwise

import numpy as np
from PIL import Image

from pixsim7_backend.providers.local.film.canvas import STRIP, View, luma
from pixsim7_backend.providers.local.film.media import cover, planar
from pixsim7_backend.providers.local.film.noise import F32, f32, fbm, resize, smoothstep
from pixsim7_backend.providers.local.film.setting import Setting
from pixsim7_backend.providers.local.film.warp import Warper
from pixsim7_backend.providers.local.film.weather import Overlay


class Morph:
    """The first frame is the first picture, the last frame the last one."""

    def __init__(self, setting: Setting, images: list[Image.Image]) -> None:
        self.setting = setting
        w, h = setting.width, setting.height
        self.pictures = [Warper(cover(image, w, h)) for image in images]
        self.x = np.arange(w, dtype=np.float32)[None, :] - np.float32(w / 2)
        self.y = np.arange(h, dtype=np.float32)[:, None] - np.float32(h / 2)
        self.fields: list[tuple[F32, F32, F32]] = []
        for i, (one, two) in enumerate(pairwise(images)):
            self.fields.append(self._field(i, one, two))
        self.overlay = Overlay(setting, over_photo=True)

    def _field(self, index: int, one: Image.Image, two: Image.Image) -> tuple[F32, F32, F32]:
        """Where pixels flow, and when each of them changes (0 early … 1 late)."""
        w, h = self.setting.width, self.setting.height
        sw, sh = max(16, w // 4), max(16, h // 4)
        random = self.setting.rng("morph", index)
        potential = fbm(random, sw, sh, min(sw, sh) * 0.55, octaves=4, gain=0.45)
        # What is bright in one picture and dark in the other pulls the flow that way.
        light = [luma(planar(cover(image, sw, sh))) for image in (one, two)]
        potential += resize(resize(light[1] - light[0], 12, 8), sw, sh) * np.float32(1.4)
        down, across = np.gradient(potential)
        curl_x, curl_y = across * 0.6 - down, down * 0.6 + across
        top = float(np.percentile(np.hypot(curl_x, curl_y), 95)) or 1.0
        fine = fbm(random, sw, sh, min(sw, sh) * 0.3, octaves=5, gain=0.55)
        order = fine + 1.3 * (0.5 - light[0]) + 0.8 * potential / (float(potential.std()) or 1)
        rank = np.argsort(np.argsort(order.ravel())).reshape(sh, sw) / (sw * sh - 1)
        when = np.clip(resize(rank.astype(np.float32), w, h), 0, 1)
        return (
            resize(f32(curl_x / top), w, h),
            resize(f32(curl_y / top), w, h),
            when,
        )

    def draw(self, out: F32, t: float, view: View) -> None:
        setting, legs = self.setting, len(self.fields)
        last = max(1e-6, setting.duration - 1 / 24)
        place = min(1.0, t / last) * legs
        leg = min(legs - 1, int(place))
        # A breath of rest at every picture.
        p = min(1.0, max(0.0, (place - leg - 0.1) / 0.8))
        p = p * p * (3 - 2 * p)
        for start in range(0, setting.height, STRIP):
            rows = slice(start, min(start + STRIP, setting.height))
            self._strip(out[:, rows], rows, leg, np.float32(p))
        if t > 0:
            self.overlay.draw(out, t, view)

    def _strip(self, out: F32, rows: slice, leg: int, p: np.float32) -> None:
        reach = np.float32(0.15 * min(self.setting.width, self.setting.height))
        one, two = self.pictures[leg], self.pictures[leg + 1]
        if p < 1:
            self._see(out, one, rows, leg, reach * p, 1 + 0.12 * float(p))
        if p <= 0:
            return
        second = np.empty_like(out)
        self._see(second, two, rows, leg, -reach * (1 - p), 1 + 0.12 * (1 - float(p)))
        if p >= 1:
            out[:] = second
            return
        soft = np.float32(0.38)
        alpha = smoothstep(0.0, 1.0, (p * (1 + soft) - self.fields[leg][2][rows]) / soft)
        spark = alpha * (1 - alpha) * np.float32(0.32)
        second -= out
        second *= alpha
        out += second
        out += spark * (0.25 + out)

    def _see(
        self, out: F32, picture: Warper, rows: slice, leg: int, reach: np.float32, zoom: float
    ) -> None:
        k = np.float32(1 / zoom)
        flow_x, flow_y, _ = self.fields[leg]
        x = flow_x[rows] * reach + self.x * k + np.float32(self.setting.width / 2)
        y = flow_y[rows] * reach + self.y[rows] * k + np.float32(self.setting.height / 2)
        picture.paste(out, x, y)
