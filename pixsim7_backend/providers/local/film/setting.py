"""Everything a scene needs to know before it is painted."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pixsim7_backend.providers.local.film.camera import Camera
from pixsim7_backend.providers.local.film.canvas import View
from pixsim7_backend.providers.local.film.noise import F32, rng
from pixsim7_backend.providers.local.film.palette import Palette, choose
from pixsim7_backend.providers.local.film.vocabulary import Brief


@dataclass(frozen=True)
class Setting:
    """The frame, the brief and its light."""

    brief: Brief
    palette: Palette
    camera: Camera
    width: int
    height: int
    duration: float

    @property
    def unit(self) -> float:
        """One pixel of a 720p frame; features are sized by it, so that all qualities agree."""
        return min(self.width, self.height) / 720

    def margin(self, depth: float) -> int:
        return int(self.camera.reach_x * depth) + 4

    def rng(self, *names: object) -> np.random.Generator:
        return rng(self.brief.seed, self.brief.scene, *names)


class Scene(Protocol):
    """Paints itself at any moment."""

    def draw(self, out: F32, t: float, view: View) -> None: ...


def make_setting(brief: Brief, width: int, height: int, duration: float) -> Setting:
    return Setting(
        brief=brief,
        palette=choose(brief.light, brief.seed, moon="moon" in brief.accents),
        camera=Camera(brief.camera, width, height, duration),
        width=width,
        height=height,
        duration=duration,
    )
