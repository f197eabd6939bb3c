"""The film engine: sizes, determinism, light, motion."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixsim7_backend.providers.local.film import FilmCancelled, FilmError, FilmRequest, render
from pixsim7_backend.providers.local.film.request import ASPECTS, QUALITIES
from pixsim7_backend.providers.local.film.scenes import PAINTERS, build_scene
from pixsim7_backend.providers.local.film.setting import make_setting
from pixsim7_backend.providers.local.film.vocabulary import read_prompt
from tests.providers.local.films import apart, facts_of, film, frames_of, picture_of

SUNSET = "sunset over mountains"


def small(prompt: str = SUNSET, **more: Any) -> FilmRequest:
    wanted: dict[str, Any] = {
        "operation": "text_to_video",
        "quality": "360p",
        "duration_s": 1,
        "seed": 1,
        **more,
    }
    return FilmRequest(prompt=prompt, **wanted)


@pytest.mark.parametrize(
    ("quality", "aspect", "size"),
    [
        ("360p", "16:9", (640, 360)),
        ("360p", "9:16", (360, 640)),
        ("360p", "1:1", (360, 360)),
        ("540p", "4:3", (720, 540)),
    ],
)
def test_film_has_the_promised_form(
    tmp_path: Path, quality: str, aspect: str, size: tuple[int, int]
) -> None:
    path = film(small(quality=quality, aspect_ratio=aspect), tmp_path / "film.mp4")
    codec, pixels, width, height, rate, seconds = facts_of(path)
    assert codec == "h264"
    assert pixels == "yuv420p"
    assert (width, height) == size
    assert rate == Fraction(24)
    assert seconds == pytest.approx(1.0, abs=0.05)
    # faststart: the index precedes the media.
    head = path.read_bytes()
    assert head.index(b"moov") < head.index(b"mdat")


def test_every_size_is_even_and_of_the_asked_height() -> None:
    for quality, short in QUALITIES.items():
        for aspect, (across, down) in ASPECTS.items():
            width, height = small(quality=quality, aspect_ratio=aspect).size
            assert min(width, height) == short
            assert width % 2 == 0
            assert height % 2 == 0
            assert width / height == pytest.approx(across / down, rel=0.01)


def test_same_request_same_frames_and_other_seed_other_film(tmp_path: Path) -> None:
    first = frames_of(film(small(), tmp_path / "a.mp4"))
    again = frames_of(film(small(), tmp_path / "b.mp4"))
    other = frames_of(film(small(seed=2), tmp_path / "c.mp4"))
    assert len(first) == 24
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert apart(first[0], other[0]) > 0.03


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_sunset_over_mountains_looks_like_one(tmp_path: Path, seed: int) -> None:
    request = small(operation="text_to_image", seed=seed)
    picture = picture_of(film(request, tmp_path / "sunset.png"))
    height = picture.shape[0]
    low_sky = picture[int(height * 0.3) : int(height * 0.5)].mean(axis=(0, 1))
    ground = picture[int(height * 0.85) :].mean(axis=(0, 1))
    red, _, blue = low_sky
    assert red > blue * 1.25, "the sky by the horizon is warm"
    assert low_sky.mean() > ground.mean() * 2, "the land in front is much darker"
    zenith = picture[: height // 8].mean(axis=(0, 1))
    assert low_sky.mean() > zenith.mean(), "light comes from the horizon"


def test_night_is_darker_than_day_and_snow_falls_only_when_asked(tmp_path: Path) -> None:
    def still(prompt: str, name: str, negative: str = "") -> float:
        request = small(prompt, operation="text_to_image", negative_prompt=negative)
        return float(picture_of(film(request, tmp_path / name)).mean())

    assert still("mountains at night", "n.png") < still("mountains at noon", "d.png") * 0.5
    assert "snow" in read_prompt("snowy forest", "", 1).weather
    assert "snow" not in read_prompt("snowy forest", "snow", 1).weather


@pytest.mark.parametrize(
    ("prompt", "scene", "light"),
    [
        ("sunset over mountains", "mountains", "sunset"),
        ("rainy city at night", "city", "night"),
        ("snowy forest", "forest", "overcast"),
        ("a sailboat on the ocean at dawn", "sea", "sunrise"),
        ("coral reef with fish", "underwater", "day"),
        ("dunes under the noon sun", "desert", "day"),
        ("a distant galaxy", "space", None),
        ("northern lights", "mountains", "night"),
    ],
)
def test_words_choose_the_scene(prompt: str, scene: str, light: str | None) -> None:
    brief = read_prompt(prompt, "", 3)
    assert brief.scene == scene
    if light is not None:
        assert brief.light == light


def test_camera_words_and_unknown_words() -> None:
    assert read_prompt("mountains, pan left", "", 1).camera == "pan_left"
    assert read_prompt("slow zoom out over the sea", "", 1).camera == "zoom_out"
    assert read_prompt("aerial view of a desert", "", 1).camera == "aerial"
    unknown = read_prompt("qwertz uiop", "", 1)
    assert unknown == read_prompt("qwertz uiop", "", 1)
    assert unknown.scene in PAINTERS
    assert len({read_prompt("qwertz uiop", "", seed).scene for seed in range(9)}) > 1


@pytest.mark.parametrize("scene", sorted(PAINTERS))
def test_every_scene_moves_and_uses_the_tones(scene: str) -> None:
    brief = read_prompt(scene, "", 5)
    assert brief.scene == scene
    setting = make_setting(brief, 480, 270, 2.0)
    painter = build_scene(setting)
    shots = []
    for t in (0.5, 0.5 + 1 / 24, 1.5):
        out = np.zeros((3, 270, 480), np.float32)
        painter.draw(out, t, setting.camera.at(t))
        assert np.isfinite(out).all()
        shots.append(np.clip(out, 0, 1))
    assert apart(shots[0], shots[1]) > 0.0005, "neighbouring frames differ"
    assert apart(shots[0], shots[2]) > apart(shots[0], shots[1]), "and the difference grows"
    assert apart(shots[0], shots[1]) < 0.05, "but nothing jumps"
    assert float(shots[0].std()) > 0.05, "there is contrast"


def test_cancel_stops_and_leaves_nothing(tmp_path: Path) -> None:
    seen: list[float] = []
    path = tmp_path / "film.mp4"
    with pytest.raises(FilmCancelled):
        render(small(duration_s=15), path, progress=seen.append, is_cancelled=lambda: len(seen) > 3)
    assert len(seen) < 10
    assert list(tmp_path.iterdir()) == []


def test_progress_is_real_and_ends_at_one(tmp_path: Path) -> None:
    seen: list[float] = []
    render(small(), tmp_path / "f.mp4", progress=seen.append, is_cancelled=lambda: False)
    assert seen == sorted(seen)
    assert seen[0] == pytest.approx(1 / 24)
    assert seen[-1] == 1.0


def test_wrong_inputs_are_told_in_words(tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"not a picture")
    with pytest.raises(FilmError, match="image cannot be read"):
        film(small(operation="image_to_video", images=(bad,)), tmp_path / "f.mp4")
    with pytest.raises(FilmError, match="video cannot be read"):
        film(small(operation="video_extend", video=bad), tmp_path / "f.mp4")
    with pytest.raises(FilmError, match="two to seven"):
        film(small(operation="video_transition", images=(bad,)), tmp_path / "f.mp4")
    with pytest.raises(FilmError, match="duration"):
        small(duration_s=16)
