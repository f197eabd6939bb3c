"""Makes the film that a request asks for, and gives the file its name only when it is whole."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import av
from PIL import Image

from pixsim7_backend.providers.local.film.encoder import encode, settle
from pixsim7_backend.providers.local.film.operations import Pixels, make_picture, make_reel
from pixsim7_backend.providers.local.film.request import FilmCancelled, FilmError, FilmRequest


def render(
    request: FilmRequest,
    destination: Path,
    *,
    progress: Callable[[float], None],
    is_cancelled: Callable[[], bool],
) -> None:
    """Render to `destination`, atomically. Raises `FilmCancelled` or `FilmError`."""
    temporary = destination.with_name(f".{destination.name}.part")
    try:
        if is_cancelled():
            raise FilmCancelled
        if request.is_video:
            reel = make_reel(request)
            encode(
                reel.frames, reel.total, reel.size, temporary,
                rate=reel.rate, progress=progress, is_cancelled=is_cancelled,
            )  # fmt: skip
        else:
            _save(make_picture(request), destination.suffix, temporary)
            if is_cancelled():
                raise FilmCancelled
        settle(temporary, destination)
        progress(1.0)
    except av.error.FFmpegError as error:
        raise FilmError("The film could not be encoded.") from error
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def _save(picture: Pixels, suffix: str, path: Path) -> None:
    image = Image.fromarray(picture)
    if suffix == ".webp":
        image.save(path, "WEBP", quality=92, method=4)
    else:
        image.save(path, "PNG", compress_level=4)
