"""Abstract: silk-like folds of colour that flow into each other."""

import numpy as np

from pixsim7_backend.providers.local.film.canvas import View, gradient, rgb
from pixsim7_backend.providers.local.film.noise import F32, bilinear, fbm, resize
from pixsim7_backend.providers.local.film.setting import Setting

INKS = (
    "0b0724 3a1078 c2318f ff7a59 ffd8a8",
    "021b2b 05445e 189ab4 75e6da f7fff7",
    "12002b 5b0f8b e0218a 20c5f0 f2f7ff",
    "1a0e05 7a2e0e d9772b f4c06a fff2d8",
    "04140f 0b5345 1fa187 b5de6b fff7c2",
    "0a0a23 283593 7e57c2 f48fb1 fff0e0",
)


class Abstract:
    """Warped noise through a strip of inks, shaded like cloth; painted at half size."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        random = setting.rng("abstract")
        self.w, self.h = setting.width // 2, setting.height // 2
        size = min(self.w, self.h)
        self.wide, self.tall = self.w + size, self.h + size
        self.a, self.b, self.c = (
            fbm(random, self.wide, self.tall, size * s, octaves=o, gain=0.42)
            for s, o in ((0.95, 3), (0.8, 2), (0.7, 2))
        )
        inks = [rgb(code) for code in INKS[int(random.integers(len(INKS)))].split()]
        if setting.brief.has("neon"):
            inks = [rgb(code) for code in INKS[2].split()]
        strip = gradient(list(zip((0, 0.28, 0.55, 0.8, 1), inks, strict=True)), 512)
        self.strip = np.concatenate([strip, strip[:, ::-1]], axis=1)
        self.x = np.arange(self.w, dtype=np.float32)[None, :] + size / 2
        self.y = np.arange(self.h, dtype=np.float32)[:, None] + size / 2
        self.size = size
        self.turn = float(random.uniform(0, 6.28))

    def draw(self, out: F32, t: float, view: View) -> None:
        size, angle = self.size, self.turn + t * 0.22
        dx, dy = np.float32(np.cos(angle) * size * 0.2), np.float32(np.sin(angle) * size * 0.2)

        def slid(plane: F32, kx: float, ky: float) -> F32:
            x, y = self.x + dx * np.float32(kx), self.y + dy * np.float32(ky)
            return bilinear(
                plane, np.broadcast_to(x, (self.h, self.w)), np.broadcast_to(y, (self.h, self.w))
            )

        push_x, push_y = slid(self.b, 1.3, -0.9), slid(self.c, -1.1, 1.2)
        x = np.clip(self.x + push_x * np.float32(size * 0.19), 1, self.wide - 3)
        y = np.clip(self.y + push_y * np.float32(size * 0.19), 1, self.tall - 3)
        fold = bilinear(self.a, x, y)
        phase = fold * np.float32(1.35) + push_x * np.float32(0.5) + np.float32(t * 0.16)
        shade = np.zeros_like(phase)
        shade[:-1, :-1] = (phase[:-1, :-1] - phase[1:, 1:]) * np.float32(size * 0.016)
        np.tanh(shade * np.float32(1.5), out=shade)
        tone = np.abs(np.mod(phase * np.float32(0.36), np.float32(2)) - 1)
        index = np.clip(tone * 1023, 0, 1023).astype(np.int32)
        sheen = np.clip(shade, 0, 1) ** 3 * np.float32(0.3)
        # Fine threads along the folds, as in woven silk.
        threads = np.sin(phase * np.float32(26) + push_y * np.float32(3))
        lift = 0.82 + 0.4 * shade + np.float32(0.055) * threads * (1 - np.abs(shade))
        for c in range(3):
            plane = np.take(self.strip[c], index) * lift + sheen
            out[c] = resize(plane, out.shape[2], out.shape[1])
