"""File names for people: in Content-Disposition (RFC 6266) and inside archives."""

import re
import unicodedata
from urllib.parse import quote

from pixsim7_backend.domain.asset import Asset

_EXTENSIONS = {
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "video/x-matroska": "mkv",
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "image/gif": "gif",
    "image/avif": "avif",
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
}
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f"*/:<>?\\|]+')
_SPACE = re.compile(r"\s+")


def file_name(asset: Asset, mime_type: str | None = None, *, suffix: str = "") -> str:
    """A safe name from the asset's own name or prompt, with the extension of its type."""
    extension = _EXTENSIONS.get(mime_type or asset.mime_type or "", "bin")
    base = asset.name or asset.prompt[:60] or str(asset.id)
    base = re.sub(rf"\.{extension}$", "", base, flags=re.IGNORECASE)
    return f"{safe_name(base) or asset.id}{suffix}.{extension}"


def safe_name(text: str) -> str:
    """A name that no file system and no header stumbles over; may be empty."""
    text = "".join(char for char in text if unicodedata.category(char)[0] != "C")
    return _SPACE.sub(" ", _FORBIDDEN.sub(" ", text)).strip(" .")[:120]


def given_name(text: str) -> str | None:
    """The last part of what a client calls a file; it is only ever shown, never a path."""
    return safe_name(text.replace("\\", "/").rpartition("/")[2]) or None


def content_disposition(name: str, *, is_download: bool) -> str:
    """`inline` or `attachment`, with an ASCII name for old and a UTF-8 name for other clients."""
    kind = "attachment" if is_download else "inline"
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = "".join(char for char in plain if char.isprintable() and char not in '"\\') or "file"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
