"""Reading pictures with Pillow under explicit limits. Runs in the confined child only."""

import io
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
from PIL import (
    ExifTags,
    GifImagePlugin,
    Image,
    ImageChops,
    ImageCms,
    ImageColor,
    ImageFile,
    ImageFilter,
    ImageOps,
    ImagePalette,
    ImageSequence,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from pixsim7_backend.infrastructure.media.sniff import Sniffed
from pixsim7_backend.infrastructure.media.whole import Rejected

MAX_PIXELS = 64 * 1000 * 1000
MAX_FRAMES = 300
_MAX_ANIMATION_PIXELS = 600 * 1000 * 1000  # all frames together
_ORIENTATION = 0x0112
_TURNS = {3: 180, 4: 180, 5: 90, 6: 90, 7: 270, 8: 270}

# Pillow imports these when it first needs them: too late for a child without file access.
_LOADED = (
    *(GifImagePlugin, JpegImagePlugin, MpoImagePlugin, PngImagePlugin, WebPImagePlugin),
    *(ExifTags, ImageChops, ImageColor, ImageFilter, ImagePalette, ImageSequence, TiffImagePlugin),
    mmap,
)
Image.preinit()
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
ImageFile.LOAD_TRUNCATED_IMAGES = False


def check_pixels(width: int, height: int) -> None:
    """Raise `Rejected` for a picture nobody should decode."""
    if width < 1 or height < 1:
        raise Rejected("The file has no picture.")
    if width * height > MAX_PIXELS:
        raise Rejected(f"The picture is too large: {width} x {height} pixels.")


@contextmanager
def opened(file: BinaryIO, kind: Sniffed) -> Iterator[Image.Image]:
    """The picture, its size checked, not decoded yet. Errors inside become `Rejected`."""
    try:
        with Image.open(file, formats=[kind.reader]) as image:
            check_pixels(*image.size)
            yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Rejected("The picture is too large.") from error
    except PermissionError:
        raise  # Pillow wanted to import something: our mistake, not the file's
    except (OSError, SyntaxError, ValueError, IndexError, EOFError) as error:
        reason = "cut off before its end" if "truncated" in str(error) else "damaged"
        raise Rejected(f"The picture is {reason}.") from error


def probe_picture(file: BinaryIO, kind: Sniffed) -> dict[str, Any]:
    """Decode every frame to its end and describe the picture."""
    with opened(file, kind) as image:
        frames = _count_frames(image)
        if frames > MAX_FRAMES or frames * image.width * image.height > _MAX_ANIMATION_PIXELS:
            raise Rejected(f"The animation is too large: {frames} frames.")
        width, height = image.size
        turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1), 0)
        alpha = image.has_transparency_data
        total_ms = 0.0
        for number in range(frames):
            if number:
                image.seek(number)
            image.load()
            total_ms += float(image.info.get("duration") or 0)
        if turn in (90, 270):
            width, height = height, width
        duration = total_ms / 1000 if frames > 1 and total_ms > 0 else None
        return {
            "width": width,
            "height": height,
            "duration_s": duration,
            "fps": round(frames / duration, 3) if duration else None,
            "codec": kind.extension,
            "frames": frames,
            "rotation": turn,
            "has_alpha": alpha,
        }


def _count_frames(image: Image.Image) -> int:
    """The number of frames; stops counting soon after there are too many."""
    if isinstance(image, JpegImagePlugin.JpegImageFile) or not getattr(image, "is_animated", False):
        return 1
    if not isinstance(image, GifImagePlugin.GifImageFile):
        return int(getattr(image, "n_frames", 1))
    for number in range(MAX_FRAMES + 2):
        try:
            image._seek(number, False)
        except EOFError:
            image.seek(0)
            return number
    return MAX_FRAMES + 1


def read_picture(file: BinaryIO, kind: Sniffed, longest: int) -> Image.Image:
    """The first frame, upright, in sRGB, RGB or RGBA, at most `longest` on its long side."""
    with opened(file, kind) as image:
        if kind.reader == "JPEG":
            image.draft("RGB", (longest, longest))  # decodes at half, a quarter, an eighth
        upright = ImageOps.exif_transpose(image)
        return _to_srgb(shrink(_to_8_bit(upright), longest), image.info.get("icc_profile"))


def _to_8_bit(image: Image.Image) -> Image.Image:
    if image.mode in ("RGB", "RGBA", "CMYK", "L"):
        return image
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.float64) / 257
        return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def shrink(image: Image.Image, longest: int) -> Image.Image:
    """Scaled down to `longest` on the long side; never up."""
    largest = max(image.size)
    if largest <= longest:
        return image
    size = tuple(max(1, round(side * longest / largest)) for side in image.size)
    if image.mode == "RGBA":  # transparent pixels must not bleed their colour
        premultiplied = image.convert("RGBa").resize(
            (size[0], size[1]), Image.Resampling.LANCZOS, reducing_gap=2.0
        )
        return premultiplied.convert("RGBA")
    return image.resize((size[0], size[1]), Image.Resampling.LANCZOS, reducing_gap=2.0)


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Colours as a browser would show them; the profile and all other metadata are dropped."""
    plain = "RGBA" if image.mode == "RGBA" else "RGB"
    if profile:
        try:
            converted = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                outputMode=plain,
            )
            image = converted or image
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a broken profile: the numbers as they are
    image = image.convert(plain) if image.mode != plain else image
    bare = Image.new(plain, image.size)
    bare.paste(image)
    return bare
