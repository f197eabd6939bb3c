"""What a film is asked to be, and the ways in which making it can end early."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

FPS: Final = 24
VIDEO_OPERATIONS: Final = frozenset(
    {"text_to_video", "image_to_video", "video_extend", "video_transition", "fusion"}
)
IMAGE_OPERATIONS: Final = frozenset({"text_to_image", "image_to_image"})
QUALITIES: Final[dict[str, int]] = {"360p": 360, "540p": 540, "720p": 720, "1080p": 1080}
ASPECTS: Final[dict[str, tuple[int, int]]] = {
    "16:9": (16, 9),
    "9:16": (9, 16),
    "1:1": (1, 1),
    "4:3": (4, 3),
    "3:4": (3, 4),
}


class FilmError(Exception):
    """The film cannot be made; the message is meant for the person who asked for it."""


class FilmCancelled(Exception):
    """Somebody no longer wants the film."""


@dataclass(frozen=True)
class FilmRequest:
    """One film or picture; the same request always gives the same frames."""

    operation: str
    prompt: str
    negative_prompt: str = ""
    seed: int = 0
    duration_s: int = 5
    quality: str = "720p"
    aspect_ratio: str = "16:9"
    images: tuple[Path, ...] = ()
    video: Path | None = None
    style: str = "auto"

    def __post_init__(self) -> None:
        if self.operation not in VIDEO_OPERATIONS | IMAGE_OPERATIONS:
            raise FilmError(f"The built-in renderer does not know the operation {self.operation}.")
        if self.quality not in QUALITIES:
            raise FilmError(f"The quality must be one of {', '.join(QUALITIES)}.")
        if self.aspect_ratio not in ASPECTS:
            raise FilmError(f"The aspect ratio must be one of {', '.join(ASPECTS)}.")
        if not 1 <= self.duration_s <= 15:
            raise FilmError("The duration must be between 1 and 15 seconds.")

    @property
    def is_video(self) -> bool:
        return self.operation in VIDEO_OPERATIONS

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, both even."""
        short = QUALITIES[self.quality]
        across, down = ASPECTS[self.aspect_ratio]
        if across >= down:
            return _even(short * across / down), short
        return short, _even(short * down / across)


def _even(value: float) -> int:
    return max(2, round(value / 2) * 2)
