"""The light of a scene: sky colours from zenith to horizon, sun or moon, haze and shadow."""

from dataclasses import dataclass, replace

import numpy as np

from pixsim7_backend.providers.local.film.canvas import mix, rgb
from pixsim7_backend.providers.local.film.noise import F32, rng


@dataclass(frozen=True)
class Palette:
    """Colours of one light; `sky` has five stops from zenith to horizon."""

    sky: tuple[F32, F32, F32, F32, F32]
    sun: F32
    glow: F32
    near: F32
    far: F32
    cloud_lit: F32
    cloud_dark: F32
    sun_height: float
    sun_size: float = 0.05
    stars: float = 0.0
    cloudiness: float = 0.45
    brightness: float = 1.0


def _make(
    sky: str,
    sun: str,
    glow: str,
    near: str,
    far: str,
    lit: str,
    dark: str,
    sun_height: float,
    **more: float,
) -> Palette:
    a, b, c, d, e = (rgb(code) for code in sky.split())
    return Palette(
        sky=(a, b, c, d, e),
        sun=rgb(sun),
        glow=rgb(glow),
        near=rgb(near),
        far=rgb(far),
        cloud_lit=rgb(lit),
        cloud_dark=rgb(dark),
        sun_height=sun_height,
        **more,
    )


# sun_height is a fraction of the sky's height above the horizon.
PALETTES: dict[str, list[Palette]] = {
    "sunset": [
        _make(
            "1d1f4f 46306f a0457b ee6f4d ffb45a",
            "fff1c4",
            "ff8a3c",
            "140d20",
            "cf6f62",
            "ffae72",
            "5a3867",
            0.10,
            stars=0.12,
            cloudiness=0.5,
        ),
        _make(
            "241a52 652a78 c4456f ff855a ffd08a",
            "fff4d2",
            "ff7a4a",
            "180c24",
            "c9667a",
            "ff9d84",
            "6b3672",
            0.12,
            stars=0.1,
            cloudiness=0.55,
        ),
        _make(
            "14304f 3a5f80 a59a94 f3a55c ffcf78",
            "fff3c9",
            "ff9c40",
            "0f1722",
            "c08a6c",
            "ffc184",
            "5f6278",
            0.09,
            stars=0.05,
            cloudiness=0.45,
        ),
        _make(
            "22183f 5a2450 b23a48 f2683c ffb347",
            "ffedb0",
            "ff6a2a",
            "150a14",
            "b8534a",
            "ff9560",
            "5c2c4c",
            0.08,
            stars=0.12,
            cloudiness=0.6,
        ),
    ],
    "sunrise": [
        _make(
            "2c4a86 6f86ba c9a9bf ffc6a0 ffe9bd",
            "fffbe6",
            "ffc27c",
            "1d2438",
            "d8a8a4",
            "ffdcc2",
            "8f8cb0",
            0.14,
            cloudiness=0.42,
        ),
        _make(
            "35508c 8795c4 e0aeb8 ffbf9a ffdfae",
            "fff8de",
            "ffb07a",
            "232038",
            "d79ca0",
            "ffd0bc",
            "9a86ac",
            0.12,
            cloudiness=0.48,
        ),
    ],
    "day": [
        _make(
            "1c5cb4 3f86d4 7db6e8 b6d9f2 e4f1f8",
            "fffdf2",
            "fff2cf",
            "17301f",
            "9dbdd6",
            "ffffff",
            "a9bccf",
            0.72,
            sun_size=0.034,
            cloudiness=0.5,
        ),
        _make(
            "1a66b0 4393d6 86c1ea c1e2f0 eef4ee",
            "fffdf0",
            "fff0c8",
            "1c3320",
            "a3c4d4",
            "ffffff",
            "b0c0cc",
            0.66,
            sun_size=0.034,
            cloudiness=0.42,
        ),
    ],
    "dusk": [
        _make(
            "0b1436 1c2c66 474f94 96709e e59a86",
            "ffd9b0",
            "e98a76",
            "0a0d1e",
            "6d6696",
            "c98a9c",
            "2c3260",
            -0.06,
            stars=0.5,
            cloudiness=0.45,
        ),
        _make(
            "0a1a3a 17396b 41619a 8f86a8 d9a596",
            "ffe0c0",
            "d98f80",
            "081020",
            "5f7298",
            "b394a4",
            "26406a",
            -0.06,
            stars=0.5,
            cloudiness=0.4,
        ),
    ],
    "night": [
        _make(
            "02040f 060b22 0c1638 16244f 24366a",
            "eef3ff",
            "8fa6e0",
            "02040b",
            "22335f",
            "4a5c8e",
            "0c1430",
            0.62,
            sun_size=0.042,
            stars=1.0,
            cloudiness=0.3,
        ),
        _make(
            "030310 0b0a2a 161544 242458 3a3672",
            "f4f1ff",
            "a79be0",
            "04030d",
            "302e62",
            "575496",
            "11102e",
            0.58,
            sun_size=0.042,
            stars=1.0,
            cloudiness=0.3,
        ),
    ],
    "storm": [
        _make(
            "14181f 222a33 37424c 56636b 8a9494",
            "dfe6e6",
            "9fb0b4",
            "080b0f",
            "4c5860",
            "7d8a90",
            "1c2229",
            0.3,
            sun_size=0.0,
            cloudiness=0.95,
        ),
    ],
    "overcast": [
        _make(
            "5b6875 74828f 92a0aa b3bec4 d2d8d8",
            "f4f6f4",
            "dfe5e6",
            "1a2228",
            "a7b3ba",
            "d9dfe1",
            "77838e",
            0.5,
            sun_size=0.0,
            cloudiness=0.85,
        ),
        _make(
            "606a78 7c8793 9aa4ae bcc2c6 d8d8d2",
            "f6f4ee",
            "e6e2da",
            "1e2226",
            "adb3b6",
            "dcdcd8",
            "7c848e",
            0.5,
            sun_size=0.0,
            cloudiness=0.85,
        ),
    ],
}


def choose(light: str, seed: int, *, moon: bool) -> Palette:
    """A palette for the light, slightly turned by the seed."""
    random = rng(seed, "palette", light)
    options = PALETTES.get(light, PALETTES["day"])
    palette = options[int(random.integers(len(options)))]
    tilt = (1 + random.normal(0, 0.02, 3)).astype(np.float32)
    sky = tuple(np.clip(colour * tilt, 0, 1).astype(np.float32) for colour in palette.sky)
    a, b, c, d, e = sky
    jitter = float(random.uniform(-0.02, 0.03))
    palette = replace(palette, sky=(a, b, c, d, e), sun_height=palette.sun_height + jitter)
    if light == "night" and not moon:
        palette = replace(palette, sun_size=0.0)
    return palette


def haze(palette: Palette, amount: float) -> F32:
    """Colour of things `amount` (0 near … 1 far) into the air."""
    return mix(palette.near, palette.far, amount)
