"""What a file is, by its first bytes. Names and declared types are never asked.

Only what a browser shows inertly and our tools decode is known here: no SVG, no HTML, no
playlists, no generic Matroska. The media helper loads this module: standard library only.
"""

from dataclasses import dataclass
from typing import Literal

HEAD_BYTES = 4096

_MP4_BRANDS = frozenset(
    {b"isom", b"mp41", b"mp42", b"mp71", b"avc1", b"hvc1", b"hev1", b"av01", b"dash", b"MSNV"}
    | {b"M4V ", b"M4VH", b"M4VP", b"f4v ", b"3gp4", b"3gp5", b"3gp6"}
    | {b"iso%d" % number for number in range(2, 10)}
)


@dataclass(frozen=True, slots=True)
class Sniffed:
    """A container that we know, and the one demuxer or image format that may read it."""

    media_type: Literal["video", "image", "audio"]  # the values of `MediaType`
    mime: str
    extension: str
    reader: str


MP4 = Sniffed("video", "video/mp4", "mp4", "mp4")
MOV = Sniffed("video", "video/quicktime", "mov", "mov")
WEBM = Sniffed("video", "video/webm", "webm", "matroska")
PNG = Sniffed("image", "image/png", "png", "PNG")
JPEG = Sniffed("image", "image/jpeg", "jpg", "JPEG")
WEBP = Sniffed("image", "image/webp", "webp", "WEBP")
GIF = Sniffed("image", "image/gif", "gif", "GIF")
MP3 = Sniffed("audio", "audio/mpeg", "mp3", "mp3")
WAV = Sniffed("audio", "audio/wav", "wav", "wav")
M4A = Sniffed("audio", "audio/mp4", "m4a", "mp4")
AAC = Sniffed("audio", "audio/aac", "aac", "aac")
OGG = Sniffed("audio", "audio/ogg", "ogg", "ogg")
FLAC = Sniffed("audio", "audio/flac", "flac", "flac")
WEBM_AUDIO = Sniffed("audio", "audio/webm", "webm", "matroska")

KNOWN = (MP4, MOV, WEBM, PNG, JPEG, WEBP, GIF, MP3, WAV, M4A, AAC, OGG, FLAC, WEBM_AUDIO)

_PREFIXES = (
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"OggS\x00", OGG),
    (b"fLaC", FLAC),
    (b"ID3", MP3),
)


def sniff(head: bytes) -> Sniffed | None:
    """The container that these first bytes (`HEAD_BYTES` are enough) begin, or None."""
    for prefix, found in _PREFIXES:
        if head.startswith(prefix):
            return found
    if head[:4] == b"RIFF":
        return {b"WEBP": WEBP, b"WAVE": WAV}.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _sniff_mp4(head)
    if head.startswith(b"\x1aE\xdf\xa3"):
        return WEBM if b"\x42\x82\x84webm" in head[:64] else None
    return _sniff_frames(head)


def _sniff_mp4(head: bytes) -> Sniffed | None:
    length = int.from_bytes(head[:4], "big")
    major, others = head[8:12], head[16 : min(length, len(head))]
    if major == b"qt  ":
        return MOV
    if major in (b"M4A ", b"M4B "):
        return M4A
    if major in _MP4_BRANDS:
        return MP4
    if major in (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1"):
        return None
    compatible = {others[at : at + 4] for at in range(0, len(others), 4)}
    return MP4 if compatible & _MP4_BRANDS else None


def _sniff_frames(head: bytes) -> Sniffed | None:
    """Bare MPEG audio: a sync word and a header without forbidden values."""
    if len(head) < 4 or head[0] != 0xFF:
        return None
    if head[1] & 0xF6 == 0xF0 and (head[2] >> 2) & 15 < 13:
        return AAC
    layer3 = head[1] & 0xE6 == 0xE2 and (head[1] >> 3) & 3 != 1
    usual_rates = head[2] >> 4 not in (0, 15) and (head[2] >> 2) & 3 != 3
    return MP3 if layer3 and usual_rates else None
