"""A browser's own description of itself, in words."""

# The first that is found counts: every browser also claims to be an older one.
_PROGRAMS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("FxiOS/", "Firefox"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
    ("python", "Python"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def device_name(user_agent: str | None) -> str:
    """`Firefox on Linux`; what cannot be told is left out."""
    text = user_agent or ""
    program = next((name for mark, name in _PROGRAMS if mark in text), "Unknown program")
    system = next((name for mark, name in _SYSTEMS if mark in text), None)
    return program if system is None else f"{program} on {system}"
