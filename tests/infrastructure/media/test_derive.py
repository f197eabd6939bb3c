"""Derivatives, decoded again: true sizes, true colours, nothing left of the metadata."""

import os
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageCms

from pixsim7_backend.infrastructure.media import thumbhash
from pixsim7_backend.infrastructure.media.model import Derivatives
from pixsim7_backend.infrastructure.media.runner import MediaTools
from tests.infrastructure.media import samples


async def _derive(tools: MediaTools, path: Path, out: Path) -> Derivatives:
    os.mkdir(out)
    return await tools.derive(path, out, await tools.probe(path))


def _sizes(made: Derivatives) -> list[tuple[int, int]]:
    """As declared; checked against what the files really are."""
    files = [*made.thumbnails, *([made.poster] if made.poster else [])]
    for file in files:
        with Image.open(file.path) as image:
            image.load()
            assert image.size == (file.width, file.height)
            assert image.format == "WEBP"
            assert file.size_bytes == file.path.stat().st_size
    return [(file.width, file.height) for file in files]


async def test_a_film(tools: MediaTools, hd: Path, tmp_path: Path) -> None:
    made = await _derive(tools, hd, tmp_path / "out")
    assert _sizes(made) == [(240, 135), (480, 270), (960, 540), (1280, 720)]
    assert made.thumbnails[1].size_bytes <= 20_000
    assert made.preview is not None
    assert made.poster is not None
    assert made.preview.size_bytes <= 400_000
    with av.open(str(made.preview.path)) as preview:
        assert [stream.type for stream in preview.streams] == ["video"]
        video = preview.streams.video[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (video.width, video.height) == (640, 360)
        frames = list(preview.decode(video))
        assert len(frames) == 96
        assert frames[-1].time == pytest.approx(95 / 24, abs=0.01)
        assert "secret" not in str(preview.metadata)
        shown = np.asarray(
            Image.fromarray(frames[0].to_ndarray(format="rgb24")).resize((64, 36)), np.float64
        )
    with Image.open(made.poster.path) as poster:
        still = np.asarray(poster.convert("RGB").resize((64, 36)), np.float64)
    assert np.abs(shown - still).mean() < 4  # the same colours in both
    data = made.preview.path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    assert made.colour is not None
    assert made.thumbhash is not None
    expected = "#{:02x}{:02x}{:02x}".format(*still.mean(axis=(0, 1)).round().astype(int))
    assert [int(made.colour[at : at + 2], 16) for at in (1, 3, 5)] == pytest.approx(
        [int(expected[at : at + 2], 16) for at in (1, 3, 5)], abs=3
    )


async def test_a_busy_film_stays_small(tools: MediaTools, tmp_path: Path) -> None:
    path = tmp_path / "noise.mp4"
    random = np.random.default_rng(7)
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=60)
        stream.width, stream.height, stream.pix_fmt = 640, 640, "yuv420p"
        stream.options = {"preset": "ultrafast", "crf": "30"}
        for _ in range(300):
            noise = random.integers(0, 255, (640, 640, 3), np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(noise)))
        output.mux(stream.encode(None))
    made = await _derive(tools, path, tmp_path / "out")
    assert made.preview is not None
    assert made.preview.size_bytes <= 400_000
    with av.open(str(made.preview.path)) as preview:
        count = sum(1 for _ in preview.decode(video=0))
    assert 115 <= count <= 121  # 60 frames a second became 30


async def test_the_poster_is_not_black(tools: MediaTools, tmp_path: Path) -> None:
    path = samples.film(tmp_path / "fade.mp4", seconds=4, black_s=0.6)
    made = await _derive(tools, path, tmp_path / "out")
    assert made.poster is not None
    with Image.open(made.poster.path) as poster:
        assert np.asarray(poster.convert("L")).mean() > 60


async def test_a_turned_film_is_shown_upright(tools: MediaTools, mp4: Path, tmp_path: Path) -> None:
    """The dark ground, at the bottom of the stored frames, is on the left."""
    path = samples.turned(mp4, tmp_path / "turned.mp4")
    info = await tools.probe(path)
    assert (info.width, info.height, info.rotation) == (180, 320, 90)
    made = await _derive(tools, path, tmp_path / "out")
    assert _sizes(made) == [(135, 240), (180, 320), (180, 320)]
    assert made.poster is not None
    assert made.preview is not None
    with Image.open(made.poster.path) as poster:
        pictures = [np.asarray(poster.convert("L"), np.float64)]
    with av.open(str(made.preview.path)) as preview:
        frame = next(preview.decode(video=0))
        assert (frame.width, frame.height, frame.rotation) == (180, 320, 0)
        pictures.append(frame.to_ndarray(format="gray").astype(np.float64))
    for grey in pictures:
        assert grey[:, :30].mean() < 60 < 90 < grey[:, -60:].mean()


async def test_portrait(tools: MediaTools, tmp_path: Path) -> None:
    portrait = samples.film(tmp_path / "p.mp4", size=(90, 162))
    made = await _derive(tools, portrait, tmp_path / "p")
    assert _sizes(made) == [(90, 162), (90, 162)]
    assert made.preview is not None
    assert (made.preview.width, made.preview.height) == (90, 162)


async def test_a_webm(tools: MediaTools, tmp_path: Path) -> None:
    path = samples.film(tmp_path / "x.webm", codec="libvpx-vp9", audio="libopus")
    made = await _derive(tools, path, tmp_path / "out")
    assert _sizes(made) == [(240, 135), (320, 180), (320, 180)]
    assert made.preview is not None


async def test_a_large_picture(tools: MediaTools, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "secret prompt"
    path = samples.picture(tmp_path / "x.jpg", "JPEG", (3000, 2000), exif=exif, comment=b"secret")
    made = await _derive(tools, path, tmp_path / "out")
    assert _sizes(made) == [(240, 160), (480, 320), (960, 640), (1280, 853)]
    assert made.preview is None
    assert made.thumbnails[1].size_bytes <= 20_000
    for file in (tmp_path / "out").iterdir():
        assert b"secret" not in file.read_bytes()


async def test_small_pictures_are_not_enlarged(tools: MediaTools, tmp_path: Path) -> None:
    made = await _derive(tools, samples.picture(tmp_path / "x", "PNG", (1, 1)), tmp_path / "a")
    assert _sizes(made) == [(1, 1), (1, 1)]
    assert made.thumbhash is not None
    assert made.colour is not None
    dot = thumbhash.decode(made.thumbhash)[16, 16, :3].astype(int)
    assert dot == pytest.approx([int(made.colour[at : at + 2], 16) for at in (1, 3, 5)], abs=12)
    made = await _derive(tools, samples.picture(tmp_path / "y", "GIF", (300, 10)), tmp_path / "b")
    assert _sizes(made) == [(240, 8), (300, 10), (300, 10)]


async def test_transparency_is_kept(tools: MediaTools, tmp_path: Path) -> None:
    path = samples.picture(tmp_path / "x", "PNG", (600, 400), mode="RGBA")
    made = await _derive(tools, path, tmp_path / "out")
    with Image.open(made.thumbnails[0].path) as image:
        alpha = np.asarray(image.convert("RGBA"))[:, :, 3]
    assert alpha.min() < 10
    assert alpha.max() > 245
    assert made.thumbhash is not None
    assert thumbhash.decode(made.thumbhash)[:, :, 3].min() < 60


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "CMYK", "I;16"])
async def test_unusual_modes(tools: MediaTools, tmp_path: Path, mode: str) -> None:
    path = tmp_path / "x"
    grey = Image.linear_gradient("L").resize((300, 200))
    if mode == "I;16":
        values = np.asarray(grey).astype(np.uint16) * 257
        Image.fromarray(values).save(path, "PNG")
    else:
        grey.convert("RGB").convert(mode).save(path, "JPEG" if mode == "CMYK" else "PNG")
    made = await _derive(tools, path, tmp_path / "out")
    with Image.open(made.thumbnails[0].path) as image:
        values = np.asarray(image.convert("L")).astype(np.float64)
    assert values[-3:].mean() - values[:3].mean() > 200  # still from black to white


async def test_colours_of_another_profile(tools: MediaTools, tmp_path: Path) -> None:
    """A tagged picture is converted, its profile is gone; a broken profile does not matter."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = samples.picture(tmp_path / "x", "PNG", (300, 200), icc_profile=profile)
    made = await _derive(tools, path, tmp_path / "out")
    with Image.open(made.thumbnails[0].path) as image:
        assert "icc_profile" not in image.info
    path = samples.picture(tmp_path / "y", "PNG", (300, 200), icc_profile=b"rubbish")
    assert (await _derive(tools, path, tmp_path / "out2")).poster is not None


async def test_sound_has_no_derivatives(tools: MediaTools, tmp_path: Path) -> None:
    path = samples.sound(tmp_path / "x.wav", "pcm_s16le")
    assert await _derive(tools, path, tmp_path / "out") == Derivatives()


@pytest.mark.parametrize("shape", [(60, 100), (100, 60), (80, 80), (8, 100)])
def test_thumbhash_round_trip(shape: tuple[int, int]) -> None:
    height, width = shape
    rgba = np.dstack([samples.scene(width, height, 0.5), np.full(shape, 255, np.uint8)])
    text = thumbhash.encode(rgba)
    shown = thumbhash.decode(text)
    assert max(shown.shape[:2]) == 32
    small = Image.fromarray(rgba).resize((shown.shape[1], shown.shape[0]), Image.Resampling.BOX)
    difference = np.abs(np.asarray(small, np.float64) - shown.astype(np.float64))
    assert difference[:, :, :3].mean() < 22
    assert difference[:, :, 3].max() == 0


def test_thumbhash_is_the_public_format() -> None:
    """The hash that the format's own page shows: a sunrise, bright in the middle."""
    picture = thumbhash.decode("1QcSHQRnh493V4dIh4eXh1h4kJUI").astype(int)
    assert picture.shape == (32, 23, 4)
    assert picture[12, 11].tolist() == pytest.approx([222, 195, 178, 255], abs=25)
    assert picture[30, 4, :3].max() < 70
    assert picture[2, 20, 2] > picture[2, 20, 0]
    with pytest.raises(ValueError):
        thumbhash.encode(np.zeros((101, 10, 4), np.uint8))
