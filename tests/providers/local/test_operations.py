"""Every operation uses what it is given."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pixsim7_backend.providers.local.film import FilmRequest
from tests.providers.local.films import (
    apart,
    facts_of,
    film,
    frames_of,
    painted,
    picture_of,
)


def request(operation: str, prompt: str = "a calm scene", **more: Any) -> FilmRequest:
    wanted: dict[str, Any] = {"quality": "360p", "duration_s": 1, "seed": 3, **more}
    return FilmRequest(operation=operation, prompt=prompt, **wanted)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    painted(folder / "one.png", ("#a03020", "#203060"))
    painted(folder / "two.png", ("#106030", "#e0c040"))
    film(request("text_to_video", "desert, pan left"), folder / "film.mp4")
    return folder


def test_image_to_video_moves_the_image(inputs: Path, tmp_path: Path) -> None:
    wanted = request("image_to_video", "zoom in", images=(inputs / "one.png",))
    frames = frames_of(film(wanted, tmp_path / "f.mp4"))
    given = picture_of(inputs / "one.png")
    assert len(frames) == 24
    assert apart(frames[0], given) < 0.03
    assert apart(frames[-1], given) > apart(frames[0], given) * 1.3
    assert all(apart(a, b) > 0 for a, b in pairwise(frames))


def test_image_to_video_takes_light_and_weather_from_the_prompt(
    inputs: Path, tmp_path: Path
) -> None:
    calm = request("image_to_video", "zoom in", images=(inputs / "one.png",))
    night = request("image_to_video", "zoom in, snowing at night", images=(inputs / "one.png",))
    a, b = (frames_of(film(r, tmp_path / f"{i}.mp4"))[-1] for i, r in enumerate((calm, night)))
    assert b.mean() < a.mean() * 0.85


def test_extend_begins_with_the_original_and_goes_on(inputs: Path, tmp_path: Path) -> None:
    original = frames_of(inputs / "film.mp4")
    path = film(request("video_extend", "drift", video=inputs / "film.mp4"), tmp_path / "f.mp4")
    frames = frames_of(path)
    assert len(frames) == len(original) + 24
    assert facts_of(path)[2:5] == facts_of(inputs / "film.mp4")[2:5]
    for number in (0, 10, 23):
        assert apart(frames[number], original[number]) < 0.015
    assert apart(frames[24], original[-1]) < 0.02, "the seam cannot be seen"
    assert apart(frames[-1], original[-1]) > 0.01, "and the camera moves on"


def test_transition_starts_at_the_first_and_ends_at_the_last(inputs: Path, tmp_path: Path) -> None:
    images = (inputs / "one.png", inputs / "two.png")
    frames = frames_of(
        film(request("video_transition", "morph", images=images), tmp_path / "f.mp4")
    )
    one, two = picture_of(images[0]), picture_of(images[1])
    assert apart(frames[0], one) < 0.02
    assert apart(frames[-1], two) < 0.02
    middle = frames[12]
    assert apart(middle, one) > 0.04
    assert apart(middle, two) > 0.04
    # A plain fade would be their mean; a morph is far from it.
    assert apart(middle, (one + two) * np.float32(0.5)) > 0.05


def test_fusion_shows_every_subject_in_the_scene(inputs: Path, tmp_path: Path) -> None:
    red = tmp_path / "red.png"
    sheet = Image.new("RGB", (400, 400), "white")
    sheet.paste("#e01010", (120, 120, 280, 280))
    sheet.save(red)
    green = tmp_path / "green.png"
    sheet = Image.new("RGB", (400, 400), "white")
    sheet.paste("#10c020", (120, 120, 280, 280))
    sheet.save(green)
    wanted = request("fusion", "deep space", images=(red, green))
    frames = frames_of(film(wanted, tmp_path / "f.mp4"))
    first = frames[0]
    r, g, b = first[..., 0], first[..., 1], first[..., 2]
    reds, greens = (r > 0.4) & (g < 0.3), (g > 0.3) & (r < 0.3) & (b < 0.35)
    assert reds.mean() > 0.01
    assert greens.mean() > 0.01
    assert np.argwhere(reds)[:, 1].mean() < np.argwhere(greens)[:, 1].mean()
    # The plain white ground was cut away.
    assert (first.min(axis=2) > 0.9).mean() < 0.02
    assert apart(frames[0], frames[-1]) > 0.001


@pytest.mark.parametrize("style", ["painting", "poster", "pencil", "neon", "grade"])
def test_image_to_image_repaints(inputs: Path, tmp_path: Path, style: str) -> None:
    wanted = request("image_to_image", "repaint", images=(inputs / "one.png",), style=style)
    result = picture_of(film(wanted, tmp_path / "i.webp"))
    given = picture_of(inputs / "one.png")
    assert result.shape == given.shape
    assert apart(result, given) > 0.02
    # The disc in the middle is still to be found: its edge is where it was.
    inside, outside = result[180, 320].mean(), result[180, 60].mean()
    if style in {"painting", "poster", "grade"}:
        assert inside > outside + 0.2


def test_style_is_read_from_the_prompt(inputs: Path, tmp_path: Path) -> None:
    def repaint(prompt: str, style: str, name: str) -> Path:
        wanted = request("image_to_image", prompt, images=(inputs / "one.png",), style=style)
        return film(wanted, tmp_path / name)

    spoken = repaint("a pencil sketch", "auto", "a.png")
    named = repaint("a pencil sketch", "pencil", "b.png")
    assert spoken.read_bytes() == named.read_bytes()
    pencil = picture_of(spoken)
    assert float((pencil.max(axis=2) - pencil.min(axis=2)).mean()) < 0.1
