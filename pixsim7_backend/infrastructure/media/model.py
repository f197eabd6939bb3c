"""What the media tools say about a file, and what they refuse."""

from dataclasses import dataclass
from pathlib import Path

from pixsim7_backend.domain.vocabulary import MediaType
from pixsim7_backend.shared.errors import InvalidInput, PixSimError


class MediaRejected(InvalidInput):
    """The file is not media that we keep: unknown, damaged, cut off or too large."""

    code = "media_rejected"
    title = "The file is not usable media"

    @property
    def reason(self) -> str:
        return self.detail


class MediaToolFailed(PixSimError):
    """The tool crashed or met a limit; the file may be hostile, or the machine short of memory."""

    code = "media_tool_failed"
    title = "The file could not be examined"


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """Facts found by reading the whole file. Width and height are as shown: upright."""

    media_type: MediaType
    mime: str
    extension: str
    size_bytes: int
    width: int | None = None
    height: int | None = None
    duration_s: float | None = None
    fps: float | None = None
    codec: str | None = None
    audio_codec: str | None = None
    has_audio: bool = False
    frames: int | None = None
    rotation: int = 0
    has_alpha: bool = False


@dataclass(frozen=True, slots=True)
class DerivedFile:
    """One file in the output directory."""

    path: Path
    mime: str
    width: int
    height: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Derivatives:
    """Everything made from one original; all of it empty for sound."""

    poster: DerivedFile | None = None
    thumbnails: tuple[DerivedFile, ...] = ()
    preview: DerivedFile | None = None
    thumbhash: str | None = None
    colour: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What one job may use."""

    wall_s: float
    cpu_s: int
    memory_bytes: int = 2 * 1024**3
    file_bytes: int = 32 * 1024**2


@dataclass(frozen=True, slots=True)
class Confinement:
    """What the kernel gave us to lock the helper in with."""

    network: str  # "namespace", "landlock" or "open"
    files: str  # "landlock" or "open"
