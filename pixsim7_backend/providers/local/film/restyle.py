"""Repaints a given picture: oil, poster, pencil, neon, or graded into another light."""

import numpy as np

from pixsim7_backend.providers.local.film.canvas import View, gradient, luma, mix, rgb
from pixsim7_backend.providers.local.film.noise import F32, blur, f32, fbm, smoothstep
from pixsim7_backend.providers.local.film.photo import TINTS
from pixsim7_backend.providers.local.film.setting import Setting
from pixsim7_backend.providers.local.film.vocabulary import words_of
from pixsim7_backend.providers.local.film.weather import Overlay

WORDS = {
    "pencil": "pencil sketch drawing charcoal graphite drawn lineart etching",
    "neon": "neon cyberpunk synthwave vaporwave tron blacklight hologram",
    "poster": "poster comic cartoon flat vector screenprint anime graphic stencil posterized",
    "painting": "painting painted paint oil watercolor watercolour impressionist impressionism"
    " gouache acrylic brush painterly monet gogh canvas",
}


def style_of(style: str, prompt: str) -> str:
    """The style asked for, or the one the prompt's words name."""
    if style != "auto":
        return style
    words = words_of(prompt)
    for name, keys in WORDS.items():
        if any(word in keys.split() for word in words):
            return name
    return "grade"


def restyle(picture: F32, setting: Setting, style: str) -> F32:
    """The whole treatment: style, light of the prompt, weather over it."""
    match style:
        case "painting":
            result = painting(picture, setting)
        case "poster":
            result = poster(picture, setting)
        case "pencil":
            result = pencil(picture, setting)
        case "neon":
            result = neon(picture, setting)
        case _:
            result = grade(picture, setting)
    if style in {"painting", "poster"} and setting.brief.light_asked:
        result *= np.array(TINTS[setting.brief.light], np.float32)[:, None, None]
    result = np.clip(result, 0, 1).astype(np.float32)
    Overlay(setting, over_photo=True).draw(result, 1.7, View())
    return result


def _boxed(plane: F32, radius: int) -> F32:
    """Mean over a square, by running sums."""
    padded = np.pad(plane, ((radius + 1, radius), (radius + 1, radius)), mode="edge")
    total = padded.cumsum(axis=0, dtype=np.float64).cumsum(axis=1)
    side = 2 * radius + 1
    result = (
        total[side:, side:] - total[:-side, side:] - total[side:, :-side] + total[:-side, :-side]
    )
    return f32((result / (side * side)).astype(np.float32))


def _moved(plane: F32, dy: int, dx: int) -> F32:
    """The plane as seen (dy, dx) away; its edges repeat."""
    rows = np.clip(np.arange(plane.shape[0]) + dy, 0, plane.shape[0] - 1)
    columns = np.clip(np.arange(plane.shape[1]) + dx, 0, plane.shape[1] - 1)
    return f32(plane[rows][:, columns])


def smear(picture: F32, radius: int) -> F32:
    """Kuwahara filter: every pixel takes the mean of its calmest neighbouring quarter."""
    half = max(1, radius // 2)
    light = luma(picture)
    mean, square = _boxed(light, half), _boxed(light * light, half)
    unrest = square - mean * mean
    means = [_boxed(plane, half) for plane in picture]
    best = np.full(light.shape, np.inf, np.float32)
    out = np.empty_like(picture)
    for dy in (-half, half):
        for dx in (-half, half):
            candidate = _moved(unrest, dy, dx)
            chosen = candidate < best
            best = np.where(chosen, candidate, best)
            for c in range(3):
                out[c] = np.where(chosen, _moved(means[c], dy, dx), out[c])
    return out


def _saturated(picture: F32, amount: float) -> F32:
    grey = luma(picture)
    return (grey + (picture - grey) * np.float32(amount)).astype(np.float32)


def painting(picture: F32, setting: Setting) -> F32:
    unit = setting.unit
    calm = smear(smear(picture, max(4, int(9 * unit))), max(2, int(5 * unit)))
    calm = _saturated(calm, 1.3)
    height, width = calm.shape[1:]
    bristle = fbm(
        setting.rng("bristle"), width, height, 26 * unit, octaves=5, gain=0.7, stretch=0.3
    )
    along = luma(calm)
    bump = np.zeros_like(along)
    relief = along * 2.2 + bristle * 0.05
    bump[1:, 1:] = relief[1:, 1:] - relief[:-1, :-1]
    return f32(calm * (1 + np.clip(bump * 1.6, -0.2, 0.22)) + np.float32(0.01))


def _edges(light: F32, unit: float) -> F32:
    soft = blur(light, max(1.2, 1.8 * unit))
    dy, dx = np.gradient(soft)
    return f32((np.hypot(dx, dy) * np.float32(unit)).astype(np.float32))


def poster(picture: F32, setting: Setting) -> F32:
    calm = smear(picture, max(4, int(8 * setting.unit)))
    light = luma(calm)
    levels = 5.0
    stepped = light * levels
    base = np.floor(stepped)
    flat = (base + smoothstep(0.42, 0.58, stepped - base)) / levels
    result = _saturated(calm, 1.55) * (flat / np.maximum(light, 0.04))
    lines = smoothstep(0.035, 0.085, _edges(light, setting.unit))
    ink = rgb("12101c")[:, None, None]
    return f32(np.clip(result, 0, 1) + (ink - np.clip(result, 0, 1)) * (lines * 0.9))


def pencil(picture: F32, setting: Setting) -> F32:
    unit = setting.unit
    light = luma(picture)
    height, width = light.shape
    dodge = light / np.maximum(blur(light, 7 * unit), 0.03)
    line = np.clip(dodge, 0, 1.06) ** 2.6
    random = setting.rng("hatch")
    grain = fbm(random, width, height, 5 * unit, octaves=3, gain=0.8)
    x, y = np.arange(width)[None, :], np.arange(height)[:, None]
    wobble = fbm(random, width, height, 90 * unit, octaves=3) * 2.2
    hatch = np.sin((x + y) * 1.05 / unit + wobble)
    cross = np.sin((x - y) * 0.95 / unit - wobble)
    dark = np.clip(0.62 - light, 0, 1)
    tone = 1 - dark * (0.5 + 0.42 * hatch) - np.clip(0.32 - light, 0, 1) * (0.5 + 0.5 * cross)
    value = np.clip(line * tone + grain * 0.035, 0, 1)
    paper, lead = rgb("f6f1e6")[:, None, None], rgb("2a2a30")[:, None, None]
    return f32((lead + (paper - lead) * value).astype(np.float32))


def neon(picture: F32, setting: Setting) -> F32:
    unit = setting.unit
    light = luma(picture)
    lines = smoothstep(0.012, 0.075, _edges(light, unit))
    height, width = light.shape
    strip = gradient([(0, rgb("ff2d95")), (0.5, rgb("8a4dff")), (1, rgb("20e0ff"))], 256)
    x = np.linspace(0, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    place = np.clip(0.35 * x + 0.35 * y + 0.5 * blur(light, 24 * unit), 0, 1)
    colour = strip[:, (place * 255).astype(np.intp)]
    dark = _saturated(picture, 0.6) * np.array([0.16, 0.12, 0.3], np.float32)[:, None, None]
    glow = blur(lines, 9 * unit) * 0.75 + blur(lines, 26 * unit) * 0.6
    result = dark + colour * (lines * 0.95 + glow)
    return f32((result + np.clip(lines - 0.55, 0, 1) * 0.75).astype(np.float32))


def grade(picture: F32, setting: Setting) -> F32:
    """Film grading: the shadows and lights of the scene's palette, on the picture's own tones."""
    palette = setting.palette
    light = luma(picture)
    strip = gradient(
        [
            (0, palette.near),
            (0.3, palette.sky[1]),
            (0.62, palette.sky[3]),
            (1, mix(palette.sun, rgb("ffffff"), 0.3)),
        ],
        256,
    )
    mapped = strip[:, np.clip(light * 255, 0, 255).astype(np.intp)]
    curved = picture * picture * (3 - 2 * picture) * np.float32(0.5) + picture * np.float32(0.5)
    asked = setting.brief.light_asked
    if asked:
        curved = curved * np.array(TINTS[setting.brief.light], np.float32)[:, None, None]
    result = curved + (mapped - curved) * np.float32(0.42 if asked else 0.2)
    bloom = blur(np.clip(light - 0.6, 0, 1), 22 * setting.unit)
    return f32((result + palette.glow[:, None, None] * bloom * np.float32(0.5)).astype(np.float32))
