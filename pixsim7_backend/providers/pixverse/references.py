"""How fusion names its images in the prompt: `@name` followed by a space (PX-REF, PX-MCP)."""

import re
from collections.abc import Sequence

# PX-MCP utils/validation.py: at most 30 letters, digits, underscores and spaces.
NAME_PATTERN = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_ ]{0,28}[A-Za-z0-9_])?")
# A mention starts a word, so the at sign of an e-mail address is none.
_ANY_MENTION = re.compile(r"(?<!\w)@(\w+)")


def default_names(count: int) -> tuple[str, ...]:
    """`image1`, `image2`, …"""
    return tuple(f"image{number}" for number in range(1, count + 1))


def _mention_pattern(names: Sequence[str]) -> re.Pattern[str]:
    # Longest first, so that "@cat two" is never read as "@cat".
    ordered = sorted(names, key=len, reverse=True)
    alternatives = "|".join(re.escape(name) for name in ordered)
    return re.compile(rf"(?<!\w)@({alternatives})(?!\w) ?")


def unknown_mentions(prompt: str, names: Sequence[str]) -> list[str]:
    """Mentions that name no image: most likely a slip of the pen."""
    rest = _mention_pattern(names).sub(" ", prompt)
    return _ANY_MENTION.findall(rest)


def mention_all(prompt: str, names: Sequence[str]) -> str:
    """The prompt with every name in it at least once, each mention followed by a space."""
    pattern = _mention_pattern(names)
    mentioned = {match.group(1) for match in pattern.finditer(prompt)}
    spaced = pattern.sub(lambda match: f"@{match.group(1)} ", prompt)
    missing = "".join(f"@{name} " for name in names if name not in mentioned)
    if missing and not spaced.endswith(" "):
        spaced += " "
    return spaced + missing
