"""Camera moves: a path through the layers for a clip of a given length."""

import math
from dataclasses import dataclass

from pixsim7_backend.providers.local.film.canvas import View


@dataclass(frozen=True)
class Camera:
    """One move over `duration` seconds in a frame of `width` x `height`."""

    kind: str
    width: int
    height: int
    duration: float

    @property
    def reach_x(self) -> int:
        """How many pixels of world are needed left and right of the frame, at depth 1."""
        return 4 + math.ceil(max(abs(self.at(t / 16 * self.duration).x) for t in range(17)))

    @property
    def reach_y(self) -> int:
        return 4 + math.ceil(max(abs(self.at(t / 16 * self.duration).y) for t in range(17)))

    def at(self, t: float) -> View:
        """Where the camera is at second `t`; moves are centred, so that the middle is composed."""
        p = _ease(min(max(t / self.duration, 0.0), 1.0))
        travel = self.width * min(0.36, 0.05 + 0.032 * self.duration)
        rise = self.height * min(0.12, 0.02 + 0.012 * self.duration)
        push = min(0.34, 0.06 + 0.035 * self.duration)
        c = p - 0.5
        wave = math.sin(2 * math.pi * p)
        match self.kind:
            case "pan_left":
                return View(x=-c * travel)
            case "pan_right":
                return View(x=c * travel)
            case "tilt_up":
                return View(x=c * travel * 0.1, y=-c * rise * 1.6)
            case "tilt_down":
                return View(x=c * travel * 0.1, y=c * rise * 1.6)
            case "zoom_in":
                return View(x=c * travel * 0.06, dolly=push * p)
            case "zoom_out":
                return View(x=-c * travel * 0.06, dolly=push * (1 - p))
            case "aerial":
                return View(x=c * travel * 0.35, y=-c * rise, dolly=push * 0.8 * p)
            case "orbit":
                return View(x=c * travel * 0.8, dolly=push * 0.25 * (1 - math.cos(2 * math.pi * p)))
            case "static":
                return View()
            case _:
                return View(x=c * travel * 0.4, y=wave * rise * 0.12)


def _ease(p: float) -> float:
    """Mostly even speed, softened at both ends."""
    return 0.75 * p + 0.25 * p * p * (3 - 2 * p)
