"""The seven operations: from a request to frames, or to one picture."""

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from PIL import Image

from pixsim7_backend.providers.local.film.finish import Finish
from pixsim7_backend.providers.local.film.fuse import Fusion
from pixsim7_backend.providers.local.film.media import (
    cover,
    film_frames,
    film_info,
    frame_picture,
    open_picture,
    planar,
)
from pixsim7_backend.providers.local.film.morph import Morph
from pixsim7_backend.providers.local.film.photo import Photo, drift_between
from pixsim7_backend.providers.local.film.request import FPS, FilmError, FilmRequest
from pixsim7_backend.providers.local.film.restyle import restyle, style_of
from pixsim7_backend.providers.local.film.scenes import build_scene
from pixsim7_backend.providers.local.film.setting import Scene, Setting, make_setting
from pixsim7_backend.providers.local.film.vocabulary import read_prompt

Pixels = npt.NDArray[np.uint8]
# The last frame is compared with one so many frames earlier to learn how the camera moved.
LOOK_BACK = 4
PAINTERS = 2


@dataclass(frozen=True)
class Reel:
    """Frames to come, and what the encoder must know of them."""

    frames: Iterator[av.VideoFrame]
    total: int
    size: tuple[int, int]
    rate: Fraction


def make_reel(request: FilmRequest) -> Reel:
    """The frames of any of the film operations."""
    if request.operation == "video_extend":
        return _extension(request)
    rate, total = Fraction(FPS), request.duration_s * FPS
    setting = _setting(request, request.size, float(request.duration_s))
    vignette = 0.26 if request.operation in {"text_to_video", "fusion"} else 0.0
    frames = filmed(setting, _scene(request, setting), total, rate, vignette=vignette)
    return Reel(frames, total, request.size, rate)


def make_picture(request: FilmRequest) -> Pixels:
    """The picture of either of the image operations."""
    width, height = request.size
    setting = _setting(request, request.size, 5.0)
    if request.operation == "image_to_image":
        given = planar(cover(open_picture(_only_image(request)), width, height))
        out = restyle(given, setting, style_of(request.style, request.prompt))
        return Finish(width, height, request.seed, vignette=0.08).picture(out)
    out = np.zeros((3, height, width), np.float32)
    build_scene(setting).draw(out, 2.5, setting.camera.at(2.5))
    return Finish(width, height, request.seed).picture(out)


def _setting(request: FilmRequest, size: tuple[int, int], seconds: float) -> Setting:
    brief = read_prompt(request.prompt, request.negative_prompt, request.seed)
    return make_setting(brief, *size, seconds)


def _only_image(request: FilmRequest) -> Path:
    if len(request.images) != 1:
        raise FilmError("This operation needs exactly one image.")
    return request.images[0]


def _scene(request: FilmRequest, setting: Setting) -> Scene:
    match request.operation:
        case "image_to_video":
            return Photo(setting, open_picture(_only_image(request)))
        case "video_transition":
            if not 2 <= len(request.images) <= 7:
                raise FilmError("A transition needs two to seven images.")
            return Morph(setting, [open_picture(path) for path in request.images])
        case "fusion":
            paths = list(request.images)
            if not paths:
                raise FilmError("A fusion needs at least one image.")
            # Where the prompt names no scene, the first of several pictures is the ground.
            if len(paths) > 1 and not setting.brief.scene_asked:
                return Fusion(setting, Photo(setting, open_picture(paths[0])), paths[1:])
            return Fusion(setting, build_scene(setting), paths)
        case _:
            return build_scene(setting)


def filmed(
    setting: Setting,
    scene: Scene,
    total: int,
    rate: Fraction,
    *,
    first: int = 0,
    vignette: float = 0.26,
) -> Iterator[av.VideoFrame]:
    """The frames of a scene from number `first` on; two are painted at a time, given in order."""
    finish = Finish(setting.width, setting.height, setting.brief.seed, vignette=vignette)
    own = threading.local()

    def paint(number: int) -> av.VideoFrame:
        if not hasattr(own, "out"):
            own.out = np.zeros((3, setting.height, setting.width), np.float32)
        t = float(number / rate)
        scene.draw(own.out, t, setting.camera.at(t))
        return finish.frame(own.out, number)

    with ThreadPoolExecutor(PAINTERS, "painter") as pool:
        ahead: deque[Future[av.VideoFrame]] = deque()
        try:
            for number in range(first, total):
                ahead.append(pool.submit(paint, number))
                if len(ahead) > PAINTERS:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _extension(request: FilmRequest) -> Reel:
    if request.video is None:
        raise FilmError("Extending needs a video.")
    info = film_info(request.video)
    path, size = request.video, (info.width, info.height)
    more = max(1, round(request.duration_s * info.rate))
    setting = _setting(request, size, float(request.duration_s))

    def frames() -> Iterator[av.VideoFrame]:
        recent: deque[av.VideoFrame] = deque(maxlen=LOOK_BACK + 1)
        for frame in film_frames(path, info):
            recent.append(frame)
            yield frame
        if not recent:
            raise FilmError("The given video has no frames.")
        last, before = frame_picture(recent[-1]), frame_picture(recent[0])
        vx, vy = drift_between(before, last, max(1, len(recent) - 1))
        rate = float(info.rate)
        photo = Photo(
            setting,
            Image.fromarray(recent[-1].to_ndarray(format="rgb24")),
            continues=True,
            momentum=(vx * rate, vy * rate),
        )
        # Frame 0 of the new part is the last frame itself, which is already there.
        yield from filmed(setting, photo, more + 1, info.rate, first=1, vignette=0.0)

    return Reel(frames(), info.frames + more, size, info.rate)
