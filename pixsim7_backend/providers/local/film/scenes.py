"""Which painter paints which scene, and the weather over it."""

from collections.abc import Callable
from typing import Final

from pixsim7_backend.providers.local.film.canvas import View
from pixsim7_backend.providers.local.film.noise import F32
from pixsim7_backend.providers.local.film.scene_abstract import Abstract
from pixsim7_backend.providers.local.film.scene_city import City
from pixsim7_backend.providers.local.film.scene_desert import Desert
from pixsim7_backend.providers.local.film.scene_forest import Forest
from pixsim7_backend.providers.local.film.scene_mountains import Mountains
from pixsim7_backend.providers.local.film.scene_sea import Sea
from pixsim7_backend.providers.local.film.scene_space import Space
from pixsim7_backend.providers.local.film.scene_underwater import Underwater
from pixsim7_backend.providers.local.film.setting import Scene, Setting
from pixsim7_backend.providers.local.film.weather import Overlay

PAINTERS: Final[dict[str, Callable[[Setting], Scene]]] = {
    "mountains": Mountains,
    "sea": Sea,
    "desert": Desert,
    "space": Space,
    "abstract": Abstract,
    "forest": Forest,
    "city": City,
    "underwater": Underwater,
}


class WithWeather:
    """A scene and what falls, flies or glows in front of it."""

    def __init__(self, scene: Scene, overlay: Overlay) -> None:
        self.scene, self.overlay = scene, overlay

    def draw(self, out: F32, t: float, view: View) -> None:
        self.scene.draw(out, t, view)
        self.overlay.draw(out, t, view)


def build_scene(setting: Setting) -> Scene:
    painter = PAINTERS.get(setting.brief.scene, Mountains)
    return WithWeather(painter(setting), Overlay(setting))
