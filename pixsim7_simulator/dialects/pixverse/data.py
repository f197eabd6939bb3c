"""PixVerse's models: what each can do and costs, by the documentation of 2026."""

from dataclasses import dataclass

QUALITIES = ("360p", "540p", "720p", "1080p")
RATIOS = ("16:9", "4:3", "1:1", "3:4", "9:16")
MORE_RATIOS = ("2:3", "3:2", "21:9")
STYLES = ("anime", "3d_animation", "clay", "comic", "cyberpunk")
CAMERAS = (
    "horizontal_left", "horizontal_right", "vertical_up", "vertical_down", "zoom_in", "zoom_out",
    "crane_up", "quickly_zoom_in", "quickly_zoom_out", "smooth_zoom_in", "camera_rotation",
    "robo_arm", "super_dolly_out", "whip_pan", "hitchcock", "left_follow", "right_follow",
    "pan_left", "pan_right", "fix_bg", "auto_camera",
)  # fmt: skip
MAX_SEED = 2_147_483_647
IMAGE_TEMPLATE_COST = 10  # not published

EFFECT_ANY_QUALITY = 315_446_315_336_768
EFFECT_UP_TO_540P = 302_325_299_692_608
SMALL_EFFECTS = frozenset({EFFECT_UP_TO_540P})


@dataclass(frozen=True, slots=True)
class Model:
    durations: tuple[int, ...]
    full_hd_durations: tuple[int, ...]
    wide_ratios: bool = False
    audio: bool = False
    multi_clip: bool = False
    fusion_refs: int = 0
    multi_transition: bool = False
    extend: bool = True
    fast: bool = False
    camera: bool = False
    style: bool = False
    negative_prompt: bool = False  # and the other fields of the older pages
    thinking: bool = False

    @property
    def ratios(self) -> tuple[str, ...]:
        return RATIOS + MORE_RATIOS if self.wide_ratios else RATIOS


_ANY = tuple(range(1, 16))

MODELS: dict[str, Model] = {
    "v3.5": Model((5, 8), (5,), multi_transition=True, fast=True, style=True, negative_prompt=True),
    "v4": Model((5, 8), (5,), multi_transition=True, fast=True, camera=True, negative_prompt=True),
    "v4.5": Model(
        (5, 8),
        (5,),
        fusion_refs=3,
        multi_transition=True,
        fast=True,
        camera=True,
        negative_prompt=True,
    ),
    "v5": Model((5, 8), (5, 8), fusion_refs=3, multi_transition=True, negative_prompt=True),
    "v5.5": Model((5, 8, 10), (5, 8), audio=True, multi_clip=True, fusion_refs=7, thinking=True),
    "v5.6": Model((5, 8, 10), (5, 8), audio=True, fusion_refs=7, extend=False, thinking=True),
    "v6": Model(
        _ANY, _ANY, wide_ratios=True, audio=True, multi_clip=True, fusion_refs=7, thinking=True
    ),
    "c1": Model(
        _ANY, _ANY, wide_ratios=True, audio=True, fusion_refs=7, extend=False, thinking=True
    ),
}

# credits a second: silent, with audio
_PER_SECOND = {
    "v6": {"360p": (5, 7), "540p": (7, 9), "720p": (9, 12), "1080p": (18, 23)},
    "c1": {"360p": (6, 8), "540p": (8, 10), "720p": (10, 13), "1080p": (19, 24)},
}
# credits a clip: silent, with audio; as printed, though two cells look swapped
_V5_6 = {
    ("360p", 5): (35, 80), ("360p", 8): (70, 115), ("360p", 10): (77, 122),
    ("540p", 5): (35, 90), ("540p", 8): (70, 115), ("540p", 10): (77, 122),
    ("720p", 5): (45, 80), ("720p", 8): (90, 135), ("720p", 10): (99, 144),
    ("1080p", 5): (75, 150), ("1080p", 8): (150, 195),
}  # fmt: skip
# one clip, silent; audio adds 10 and several clips add 30
_V5_5 = {
    ("360p", 5): 45, ("360p", 8): 90, ("360p", 10): 99,
    ("540p", 5): 45, ("540p", 8): 90, ("540p", 10): 99,
    ("720p", 5): 60, ("720p", 8): 120, ("720p", 10): 132,
    ("1080p", 5): 120, ("1080p", 8): 240,
}  # fmt: skip
_OLDER = {
    ("360p", 5): 45, ("540p", 5): 45, ("720p", 5): 60, ("1080p", 5): 120,
    ("360p", 8): 90, ("540p", 8): 90, ("720p", 8): 120, ("1080p", 8): 240,
}  # fmt: skip


def clip_price(
    model: str, quality: str, seconds: int, *, audio: bool, multi: bool, fast: bool
) -> int:
    """Credits of one clip whose combination is allowed."""
    if model in _PER_SECOND:
        return _PER_SECOND[model][quality][audio] * seconds
    if model == "v5.6":
        return _V5_6[quality, seconds][audio]
    if model == "v5.5":
        return _V5_5[quality, seconds] + 10 * audio + 30 * multi
    return _OLDER[quality, seconds] * (2 if fast else 1)


def multi_transition_price(quality: str, seconds: int, *, fast: bool) -> int:
    """Derived from a reseller's sheet: by the second, a tenth more at ten, double if fast."""
    price = {"360p": 9, "540p": 9, "720p": 12, "1080p": 24}[quality] * seconds
    return (price * 11 // 10 if seconds == 10 else price) * (2 if fast else 1)


def demo_seconds(quality: str, seconds: int) -> float:
    """A believable time for a person who watches: longer for longer and finer clips."""
    return 6.0 + seconds * {"360p": 0.3, "540p": 0.5, "720p": 0.8, "1080p": 1.5}[quality]


def frame_size(quality: str, ratio: float) -> tuple[int, int]:
    """The short side is what the quality names; both sides are even."""
    short = int(quality.removesuffix("p"))
    ratio = min(3.0, max(1 / 3, ratio))
    long = round(short * max(ratio, 1 / ratio) / 2) * 2
    return (long, short) if ratio >= 1 else (short, long)


def ratio_of(text: str) -> float:
    width, height = text.split(":")
    return int(width) / int(height)
