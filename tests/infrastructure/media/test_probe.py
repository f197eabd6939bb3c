"""What `probe` says about good files, and that bad ones are refused with a reason."""

import asyncio
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pixsim7_backend.domain.vocabulary import MediaType
from pixsim7_backend.infrastructure.database.guard import transaction_open
from pixsim7_backend.infrastructure.media.model import MediaRejected
from pixsim7_backend.infrastructure.media.runner import MediaTools
from pixsim7_backend.infrastructure.media.sniff import KNOWN, sniff
from tests.infrastructure.media import samples


async def test_mp4(tools: MediaTools, mp4: Path, mp4_with_sound: Path) -> None:
    info = await tools.probe(mp4)
    assert (info.media_type, info.mime, info.extension) == (MediaType.VIDEO, "video/mp4", "mp4")
    assert (info.width, info.height, info.frames, info.fps) == (320, 180, 24, 24.0)
    assert info.duration_s == pytest.approx(1.0, abs=0.01)
    assert (info.codec, info.has_audio, info.rotation) == ("h264", False, 0)
    assert info.size_bytes == os.stat(mp4).st_size
    info = await tools.probe(mp4_with_sound)
    assert (info.has_audio, info.audio_codec) == (True, "aac")


@pytest.mark.parametrize(
    ("name", "mime", "codec", "how"),
    [
        ("vp9.webm", "video/webm", "vp9", {"codec": "libvpx-vp9", "audio": "libopus"}),
        ("vp8.webm", "video/webm", "vp8", {"codec": "libvpx"}),
        ("film.mov", "video/quicktime", "h264", {}),
        ("part.mp4", "video/mp4", "h264", {"options": {"movflags": "frag_keyframe+empty_moov"}}),
    ],
)
async def test_other_films(
    tools: MediaTools, tmp_path: Path, name: str, mime: str, codec: str, how: dict[str, Any]
) -> None:
    info = await tools.probe(samples.film(tmp_path / name, **how))
    assert (info.mime, info.codec, info.frames) == (mime, codec, 24)
    assert (info.width, info.height) == (320, 180)
    assert info.duration_s == pytest.approx(1.0, abs=0.06)


async def test_a_long_film_is_sampled(tools: MediaTools, tmp_path: Path) -> None:
    path = samples.film(tmp_path / "long.mp4", size=(1280, 720), seconds=10)
    info = await tools.probe(path)
    assert (info.frames, info.duration_s) == (240, 10.0)


@pytest.mark.parametrize(
    ("format", "mime"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")]
)
async def test_pictures(tools: MediaTools, tmp_path: Path, format: str, mime: str) -> None:
    info = await tools.probe(samples.picture(tmp_path / "x", format))
    assert (info.media_type, info.mime, info.width, info.height) == (
        MediaType.IMAGE,
        mime,
        640,
        360,
    )
    assert (info.frames, info.duration_s, info.has_alpha) == (1, None, False)


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
async def test_transparency(tools: MediaTools, tmp_path: Path, format: str) -> None:
    assert (await tools.probe(samples.picture(tmp_path / "x", format, mode="RGBA"))).has_alpha


@pytest.mark.parametrize(("format", "mime"), [("GIF", "image/gif"), ("WEBP", "image/webp")])
async def test_animations(tools: MediaTools, tmp_path: Path, format: str, mime: str) -> None:
    info = await tools.probe(samples.animation(tmp_path / "x", format))
    assert (info.mime, info.frames, info.width) == (mime, 6, 160)
    assert info.duration_s == pytest.approx(0.6)


async def test_a_photo_is_measured_upright(tools: MediaTools, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    info = await tools.probe(samples.picture(tmp_path / "x", "JPEG", exif=exif))
    assert (info.width, info.height, info.rotation) == (360, 640, 90)


@pytest.mark.parametrize(
    ("name", "codec", "mime"),
    [
        ("a.mp3", "libmp3lame", "audio/mpeg"),
        ("a.wav", "pcm_s16le", "audio/wav"),
        ("a.m4a", "aac", "audio/mp4"),
        ("a.aac", "aac", "audio/aac"),
        ("a.ogg", "libopus", "audio/ogg"),
        ("a.flac", "flac", "audio/flac"),
        ("a.webm", "libopus", "audio/webm"),
        ("a.mp4", "aac", "audio/mp4"),
    ],
)
async def test_sound(tools: MediaTools, tmp_path: Path, name: str, codec: str, mime: str) -> None:
    path = samples.sound(tmp_path / name, codec)
    info = await tools.probe(path)
    assert (info.media_type, info.mime, info.has_audio) == (MediaType.AUDIO, mime, True)
    assert info.duration_s == pytest.approx(1.5, abs=0.1)
    if name in ("a.wav", "a.m4a", "a.ogg", "a.flac"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(MediaRejected):
            await tools.probe(path)


@pytest.mark.parametrize("share", [0.02, 0.2, 0.5, 0.8, 0.95, -1])
@pytest.mark.parametrize("sample", ["mp4", "mp4_with_sound"])
async def test_a_film_cut_anywhere_is_refused(
    tools: MediaTools, tmp_path: Path, request: pytest.FixtureRequest, sample: str, share: float
) -> None:
    data = request.getfixturevalue(sample).read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[: int(len(data) * share) if share > 0 else -1])
    with pytest.raises(MediaRejected, match=r"cut off|damaged"):
        await tools.probe(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, -1])
@pytest.mark.parametrize("name", ["x.webm", "x.png", "x.jpg", "x.webp", "x.gif"])
async def test_other_cut_files_are_refused(
    tools: MediaTools, tmp_path: Path, name: str, share: float
) -> None:
    path = tmp_path / name
    if name == "x.webm":
        samples.film(path, codec="libvpx", seconds=0.5)
    elif name == "x.gif":
        samples.animation(path, "GIF")
    else:
        samples.picture(path, {"x.png": "PNG", "x.jpg": "JPEG", "x.webp": "WEBP"}[name])
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share) if share > 0 else -1])
    with pytest.raises(MediaRejected, match=r"cut off|damaged"):
        await tools.probe(path)


async def test_a_film_with_noise_inside_is_refused(
    tools: MediaTools, tmp_path: Path, mp4: Path
) -> None:
    data = bytearray(await asyncio.to_thread(mp4.read_bytes))
    start = data.index(b"mdat") + 4
    data[start:] = os.urandom(len(data) - start)
    path = tmp_path / "noise.mp4"
    path.write_bytes(data)
    with pytest.raises(MediaRejected):
        await tools.probe(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><title>504</title>", "not media"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not media"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:1\nfile:///etc/passwd\n", "not media"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "not media"),
        (b'{"error": "expired"}', "not media"),
        (b"\x00" * 100_000, "not media"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00heicmif1", "not media"),
        (b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom", "cut off"),
        (b"\x1aE\xdf\xa3\x8b\x42\x82\x88matroska", "not media"),
        (b"\x89PNG\r\n\x1a\n", "cut off"),
        (b"GIF89a", "cut off"),
        (b"\xff\xd8\xff\xe0", "cut off"),
        (b"SIMPLE  =                    T", "not media"),
    ],
)
async def test_what_is_not_media(
    tools: MediaTools, tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(content)
    with pytest.raises(MediaRejected, match=reason):
        await tools.probe(path)


async def test_playlists_open_nothing(tools: MediaTools, tmp_path: Path, mp4: Path) -> None:
    """A playlist dressed up as a film reaches neither another file nor the network."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/a.ts"
        lines = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{url}\n#EXTINF:9,\n{mp4}\n"
        for head in (b"", b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom", b"ID3", b"RIFF"):
            path = tmp_path / "list.mp4"
            path.write_bytes(head + lines.encode())
            with pytest.raises(MediaRejected):
                await tools.probe(path)
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize("size", [(60_000, 60_000), (9_000, 8_000)])
async def test_a_picture_bomb(tools: MediaTools, tmp_path: Path, size: tuple[int, int]) -> None:
    path = samples.png_bomb(tmp_path / "bomb.png", *size)
    with pytest.raises(MediaRejected, match="too large"):
        await tools.probe(path)


async def test_too_many_frames(tools: MediaTools, tmp_path: Path) -> None:
    images = [Image.new("L", (4, 4), number % 2 * 255) for number in range(400)]
    path = tmp_path / "x.gif"
    images[0].save(path, "GIF", save_all=True, append_images=images[1:], duration=20)
    with pytest.raises(MediaRejected, match="too large"):
        await tools.probe(path)


async def test_a_link_or_a_directory_is_not_read(tools: MediaTools, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/hostname")
    os.mkfifo(tmp_path / "fifo")
    for name in ("link", "fifo", ".", "missing"):
        with pytest.raises(Exception, match="media tool failed"):
            await tools.probe(tmp_path / name)


async def test_refused_inside_a_transaction(tools: MediaTools, mp4: Path) -> None:
    with transaction_open(), pytest.raises(RuntimeError, match="media tools"):
        await tools.probe(mp4)


async def test_many_at_once(tools: MediaTools, mp4: Path) -> None:
    infos = await asyncio.gather(*(tools.probe(mp4) for _ in range(30)))
    assert len(set(infos)) == 1


def test_sniff_knows_nothing_else() -> None:
    for head in (b"", b"\xff", b"RIFFxxxxAVI ", b"\x00\x00\x00\x14ftypavif", b"%PDF-1.7", b"PK"):
        assert sniff(head) is None
    assert {kind.media_type for kind in KNOWN} <= {item.value for item in MediaType}
