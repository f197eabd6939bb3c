"""Brings given pictures together in one scene: cut out or softly vignetted, lit alike, afloat."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from pixsim7_backend.providers.local.film.canvas import View, lay, mix
from pixsim7_backend.providers.local.film.media import open_picture, planar
from pixsim7_backend.providers.local.film.noise import F32, blur, smoothstep
from pixsim7_backend.providers.local.film.photo import TINTS
from pixsim7_backend.providers.local.film.setting import Scene, Setting


@dataclass(frozen=True)
class Subject:
    """One picture ready to be laid over the scene: premultiplied, with room around it."""

    colour: F32
    alpha: F32
    shadow: F32
    x: float
    y: float
    depth: float
    phase: float


def matte(path: Path, picture: F32) -> F32:
    """What belongs to the subject: its own transparency, or all that differs from a plain ground,
    or else a soft oval."""
    _, height, width = picture.shape
    with Image.open(path) as image:
        if "A" in image.getbands():
            given = ImageOps.fit(ImageOps.exif_transpose(image).getchannel("A"), (width, height))
            alpha = np.asarray(given, dtype=np.float32) / np.float32(255)
            if float(alpha.min()) < 0.5:
                return alpha
    edge = max(2, min(width, height) // 40)
    border = np.concatenate(
        [
            picture[:, :edge].reshape(3, -1),
            picture[:, -edge:].reshape(3, -1),
            picture[:, :, :edge].reshape(3, -1),
            picture[:, :, -edge:].reshape(3, -1),
        ],
        axis=1,
    )
    ground = np.median(border, axis=1).astype(np.float32)
    spread = float(np.mean(np.abs(border - ground[:, None])))
    if spread < 0.035:
        away = np.sqrt(((picture - ground[:, None, None]) ** 2).sum(axis=0))
        keyed = smoothstep(0.06, 0.2, blur(away.astype(np.float32), 1.6))
        if 0.02 < float(keyed.mean()) < 0.9:
            return keyed
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    return smoothstep(1.0, 0.62, (np.abs(x) ** 2.6 + np.abs(y) ** 2.6) ** (1 / 2.6))


class Fusion:
    """Subjects over a scene; the far ones are painted first."""

    def __init__(self, setting: Setting, scene: Scene, paths: list[Path]) -> None:
        self.setting, self.scene = setting, scene
        count = len(paths)
        random = setting.rng("fusion")
        self.subjects: list[Subject] = []
        for i, path in enumerate(paths):
            middle = (i + 0.5) / count
            lift = 0.0 if count == 1 else (0.055 if i % 2 else -0.035)
            size = {1: 0.7, 2: 0.6, 3: 0.5}.get(count, 0.42)
            x = 0.5 + (middle - 0.5) * (0.92 if count > 2 else 0.84)
            depth = 0.35 + 0.35 * (i % 2)
            self.subjects.append(
                self._prepare(path, size, x, 0.54 + lift, depth, float(random.uniform(0, 6.28)))
            )
        self.subjects.sort(key=lambda subject: subject.depth)

    def _prepare(
        self, path: Path, size: float, x: float, y: float, depth: float, phase: float
    ) -> Subject:
        setting = self.setting
        image = open_picture(path)
        high = setting.height * size
        widest = setting.width * min(0.7, size * 1.15)
        scale = min(high / image.height, widest / image.width)
        wide, tall = max(8, round(image.width * scale)), max(8, round(image.height * scale))
        picture = planar(image.resize((wide, tall), Image.Resampling.LANCZOS))
        alpha = matte(path, picture)
        tint = np.array(TINTS[setting.brief.light], np.float32)
        picture *= mix(np.ones(3, np.float32), tint, 0.55)[:, None, None]
        edge = np.clip(alpha - blur(alpha, max(2.0, 0.03 * tall)), 0, 1)
        picture += setting.palette.glow[:, None, None] * (edge * np.float32(0.28))
        pad = max(6, int(0.09 * tall))
        room = ((pad, pad), (pad, pad))
        alpha = np.pad(alpha, room)
        shadow = blur(alpha, pad * 0.6) * np.float32(0.42)
        colour = np.pad(picture, ((0, 0), *room)) * alpha
        return Subject(colour.astype(np.float32), alpha, np.clip(shadow, 0, 1), x, y, depth, phase)

    def draw(self, out: F32, t: float, view: View) -> None:
        self.scene.draw(out, t, view)
        _, height, width = out.shape
        unit = min(width, height)
        for one in self.subjects:
            bob = math.sin(t * 0.9 + one.phase) * 0.011 * unit
            sway = math.sin(t * 0.6 + one.phase * 2) * 0.007 * unit
            tall, wide = one.alpha.shape
            left = one.x * width - wide / 2 + sway - view.x * one.depth * 0.35
            top = one.y * height - tall / 2 + bob
            lay(out, one.shadow, None, left + 0.012 * unit, top + 0.03 * unit)
            lay(out, one.alpha, one.colour, left, top)
