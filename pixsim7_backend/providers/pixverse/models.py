"""What each PixVerse model can do, as data (PX-REF, PX-KIT, PX-UNM; checked 2026-09-19)."""

from dataclasses import dataclass
from typing import Literal

ModelId = Literal["v6", "c1", "v5.6", "v5.5", "v5", "v4.5", "v4", "v3.5"]
Quality = Literal["360p", "540p", "720p", "1080p"]
FusionModelId = Literal["v6", "c1", "v5.6", "v5.5", "v5", "v4.5"]
# The reference page names these six; the capability matrix lists v6 alone (PX-REF, PX-KIT).
ExtendModelId = Literal["v6", "v5.5", "v5", "v4.5", "v4", "v3.5"]

COMMON_RATIOS = ("16:9", "4:3", "1:1", "3:4", "9:16")
WIDE_RATIOS = (*COMMON_RATIOS, "2:3", "3:2", "21:9")
ANY_DURATION = tuple(range(1, 16))


@dataclass(frozen=True, slots=True)
class Model:
    """The limits of one model."""

    id: str
    name: str
    note: str
    durations: tuple[int, ...]
    durations_1080p: tuple[int, ...]
    ratios: tuple[str, ...] = COMMON_RATIOS
    has_audio: bool = False
    has_multi_clip: bool = False
    has_thinking: bool = False
    has_fast_motion: bool = False
    has_camera_movement: bool = False
    has_style: bool = False
    has_negative_prompt: bool = False
    fusion_images: int = 0
    """How many reference images fusion takes; 0 = no fusion."""
    omni_images: int = 0
    """The same in fusion's omni mode; 0 = no such mode."""
    has_multi_transition: bool = False

    def durations_at(self, quality: str) -> tuple[int, ...]:
        """The clip lengths on offer at one quality."""
        return self.durations_1080p if quality == "1080p" else self.durations


_ALL = (
    Model(
        id="v6",
        name="PixVerse V6",
        note="Newest. Any length from 1 to 15 s, native audio, several shots; billed per second.",
        durations=ANY_DURATION,
        durations_1080p=ANY_DURATION,
        ratios=WIDE_RATIOS,
        has_audio=True,
        has_multi_clip=True,
        has_thinking=True,
        fusion_images=7,
        omni_images=10,
    ),
    Model(
        id="c1",
        name="PixVerse C1",
        note="Cinematic. Any length from 1 to 15 s, native audio; billed per second.",
        durations=ANY_DURATION,
        durations_1080p=ANY_DURATION,
        ratios=WIDE_RATIOS,
        has_audio=True,
        # PX-REF says "v5.5 and later"; that c1 counts as later is an inference (unverified).
        has_thinking=True,
        fusion_images=7,
    ),
    Model(
        id="v5.6",
        name="PixVerse V5.6",
        note="5, 8 or 10 s (1080p up to 8 s), native audio.",
        durations=(5, 8, 10),
        durations_1080p=(5, 8),
        has_audio=True,
        has_thinking=True,
        fusion_images=7,
    ),
    Model(
        id="v5.5",
        name="PixVerse V5.5",
        note="5, 8 or 10 s (1080p up to 8 s), native audio, several shots.",
        durations=(5, 8, 10),
        durations_1080p=(5, 8),
        has_audio=True,
        has_multi_clip=True,
        has_thinking=True,
        fusion_images=7,
    ),
    Model(
        id="v5",
        name="PixVerse V5",
        note="5 or 8 s, silent; also transitions through up to 7 images.",
        durations=(5, 8),
        # PX-MCP refuses 8 s here, the official price table sells it (PX-PRICE): the table wins.
        durations_1080p=(5, 8),
        has_negative_prompt=True,
        fusion_images=3,
        has_multi_transition=True,
    ),
    Model(
        id="v4.5",
        name="PixVerse V4.5",
        note="5 or 8 s (1080p only 5 s), camera movements, fast motion.",
        durations=(5, 8),
        durations_1080p=(5,),
        has_fast_motion=True,
        has_camera_movement=True,
        has_negative_prompt=True,
        fusion_images=3,
        has_multi_transition=True,
    ),
    Model(
        id="v4",
        name="PixVerse V4",
        note="5 or 8 s (1080p only 5 s), camera movements, fast motion.",
        durations=(5, 8),
        durations_1080p=(5,),
        has_fast_motion=True,
        has_camera_movement=True,
        has_negative_prompt=True,
        has_multi_transition=True,
    ),
    Model(
        id="v3.5",
        name="PixVerse V3.5",
        note="5 or 8 s (1080p only 5 s), styles, fast motion.",
        durations=(5, 8),
        durations_1080p=(5,),
        has_fast_motion=True,
        has_style=True,
        has_negative_prompt=True,
        has_multi_transition=True,
    ),
)

MODELS = {model.id: model for model in _ALL}
