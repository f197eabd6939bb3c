"""Moves the pixels of a given picture: bilinear lookup at any place, four bytes at a time."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from pixsim7_backend.providers.local.film.canvas import STRIP
from pixsim7_backend.providers.local.film.noise import F32

U32 = npt.NDArray[np.uint32]
RED_BLUE = np.uint32(0x00FF00FF)
BYTE = np.uint32(0xFF)
EIGHT = np.uint32(8)


class Warper:
    """A picture whose colours are packed into one integer each, so that one lookup serves all."""

    def __init__(self, image: Image.Image) -> None:
        self.width, self.height = image.size
        pixels = np.asarray(image.convert("RGB"), dtype=np.uint32)
        packed = pixels[..., 0] | (pixels[..., 1] << EIGHT) | (pixels[..., 2] << np.uint32(16))
        self.flat: U32 = np.ascontiguousarray(packed).reshape(-1)

    def paste(self, out: F32, x: F32, y: F32) -> None:
        """Planar floats of the colours at (x, y) into `out`; edges repeat."""
        for start in range(0, out.shape[1], STRIP):
            part = np.s_[start : min(start + STRIP, out.shape[1])]
            out[:, part] = self._at(x[part], y[part])

    def _at(self, x: F32, y: F32) -> F32:
        x = np.clip(x, 0, self.width - 1.01)
        y = np.clip(y, 0, self.height - 1.01)
        ix, iy = x.astype(np.int32), y.astype(np.int32)
        wx = ((x - ix) * np.float32(16)).astype(np.uint32)
        wy = ((y - iy) * np.float32(16)).astype(np.uint32)
        both = wx * wy
        index = iy * np.int32(self.width) + ix
        sixteen = np.uint32(16)
        weights = (
            np.uint32(256) - (wx + wy) * sixteen + both,
            wx * sixteen - both,
            wy * sixteen - both,
            both,
        )
        red_blue: U32 = np.zeros(index.shape, np.uint32)
        green: U32 = np.zeros(index.shape, np.uint32)
        for offset, weight in zip((0, 1, self.width, self.width + 1), weights, strict=True):
            colour = np.take(self.flat, index + np.int32(offset))
            rb = (colour & RED_BLUE) * weight
            colour >>= EIGHT
            colour &= BYTE
            colour *= weight
            red_blue += rb
            green += colour
        out = np.empty((3, *index.shape), np.float32)
        red_blue >>= EIGHT
        out[0] = red_blue & BYTE
        out[1] = green
        out[1] *= np.float32(1 / 256)
        red_blue >>= np.uint32(16)
        out[2] = red_blue & BYTE
        out *= np.float32(1 / 255)
        return out


def enlarged(size: tuple[int, int], image: Image.Image, most: float = 1.25) -> tuple[int, int]:
    """The size to keep a source at: larger than the frame, as far as it has the detail."""
    width, height = size
    factor = min(most, max(1.0, min(image.width / width, image.height / height)))
    return round(width * factor), round(height * factor)
