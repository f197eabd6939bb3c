"""From float light to finished frames: vignette, tone, grain, and the planes H.264 wants."""

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange, Colorspace

from pixsim7_backend.providers.local.film.canvas import STRIP
from pixsim7_backend.providers.local.film.noise import F32, rng, value_noise

Bytes = npt.NDArray[np.uint8]
# Grain repeats after so many frames, which nobody can see.
FRESH = 509


class Finish:
    """Turns planar float RGB into yuv420p frames or 8-bit pictures, with dither as film grain."""

    def __init__(self, width: int, height: int, seed: int, *, vignette: float = 0.26) -> None:
        self.width, self.height = width, height
        y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
        x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
        r = x * x * np.float32(0.62) + y * y * np.float32(0.5)
        self.vignette = (1 - vignette * np.clip(r - 0.18, 0, None) ** 1.3).astype(np.float32)
        self.vignette_luma = self.vignette * np.float32(219)
        random = rng(seed, "grain")
        shape = (height + 64, width + 64)
        # Triangular dither hides the 8-bit steps; the softer part reads as grain.
        dither = random.random(shape, dtype=np.float32) - random.random(shape, dtype=np.float32)
        soft = value_noise(random, shape[1], shape[0], shape[1] // 2, shape[0] // 2)
        self.grain = (dither * np.float32(0.62) + soft * np.float32(0.85)).astype(np.float32)
        self.offsets = rng(seed, "grain offsets").integers(0, 64, (FRESH, 3, 2))

    def _grain(self, number: int, plane: int) -> F32:
        dy, dx = (int(v) for v in self.offsets[number % FRESH, plane])
        return self.grain[dy : dy + self.height, dx : dx + self.width]

    def frame(self, picture: F32, number: int = 0) -> av.VideoFrame:
        """BT.709, limited range; strip by strip, so that the work stays in the cache."""
        frame = av.VideoFrame(self.width, self.height, "yuv420p")
        planes = [
            np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
            for plane in frame.planes
        ]
        grains = [self._grain(number, plane) for plane in range(3)]
        for start in range(0, self.height, STRIP):
            stop = min(self.height, start + STRIP)
            self._strip(picture[:, start:stop], planes, grains, start, stop)
        frame.colorspace = Colorspace.ITU709
        frame.color_range = ColorRange.MPEG
        return frame

    def _strip(
        self, picture: F32, planes: list[Bytes], grains: list[F32], start: int, stop: int
    ) -> None:
        np.clip(picture, 0, 1, out=picture)
        red, green, blue = picture
        luma = green * np.float32(0.7152)
        luma += red * np.float32(0.2126)
        luma += blue * np.float32(0.0722)
        half = _half(luma)
        shade = self.vignette[start:stop:2, ::2]
        low, high = start // 2, stop // 2
        for plane, colour, scale in ((1, blue, 224 / 1.8556), (2, red, 224 / 1.5748)):
            chroma = _half(colour)
            chroma -= half
            chroma *= shade * np.float32(scale)
            # Grain is a matter of the luma, as on film; the colour gets only dither.
            chroma += grains[plane][low:high, : half.shape[1]] * np.float32(0.35)
            chroma += np.float32(128.5)
            np.copyto(planes[plane][low:high, : half.shape[1]], chroma, casting="unsafe")
        luma *= self.vignette_luma[start:stop]
        luma += grains[0][start:stop]
        luma += np.float32(16.5)
        np.copyto(planes[0][start:stop, : self.width], luma, casting="unsafe")

    def picture(self, picture: F32) -> Bytes:
        """An (height, width, 3) array of bytes for still images."""
        picture = np.clip(picture * self.vignette, 0, 1) * np.float32(255)
        picture += self._grain(0, 0) * np.float32(0.9) + np.float32(0.5)
        return np.clip(picture, 0, 255).astype(np.uint8).transpose(1, 2, 0).copy()


def _half(plane: F32) -> F32:
    """Means of 2 x 2 pixels."""
    rows = plane[0::2] + plane[1::2]
    small: F32 = rows[:, 0::2] + rows[:, 1::2]
    small *= np.float32(0.25)
    return small
