"""The built web app (`make web`), from the package's data, at every path that is not the API's."""

import hashlib
import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

BUILT = Path(__file__).resolve().parent.parent / "web"

_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
_IMMUTABLE = "_app/immutable/"
_NEVER_PAGES = re.compile(r"^(_app|api|health|metrics|docs|openapi\.json)(/|$)")
"""Where a page in place of what was asked for would only break a program or an old tab."""
_SCRIPT_SRC = re.compile(r'http-equiv="content-security-policy" content="(script-src [^"]+)"')
_CSP = (
    "default-src 'self'; {script_src}; img-src 'self' data: blob:; media-src 'self' blob:; "
    "style-src 'self' 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'; "
    "base-uri 'self'; object-src 'none'; form-action 'self'"
)
_NOT_BUILT = """<!doctype html><html lang=en><meta charset=utf-8><title>PixSim7</title>
<meta name=viewport content="width=device-width"><h1>PixSim7 is running</h1>
<p>The web app is not built here. Run <code>make web</code> and start again; the API is described at
<a href="/docs">/docs</a>.</p>"""


@dataclass(frozen=True, slots=True)
class _File:
    bodies: dict[str, bytes]
    """By content encoding; `identity` is always there."""
    headers: dict[str, str]


class WebApp:
    """Answers GET with a built file, else with the page that routes by itself (`index.html`).

    Everything is read once: the files are a megabyte or two, and a hash of their content is the
    only validator that holds (an installed wheel gives every version the same times).
    """

    path_format = "web"
    """What the log and the metrics call it."""

    def __init__(self, directory: Path, not_found: ASGIApp) -> None:
        self._not_found = not_found
        self._files = {
            path.relative_to(directory).as_posix(): path
            for path in sorted(directory.rglob("*"))
            if path.is_file() and path.suffix not in (".br", ".gz")
        }
        index = self._files.get("index.html")
        csp = _policy(index.read_text("utf-8")) if index else ""
        self._read = {name: _read(name, path, csp) for name, path in self._files.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path"].lstrip("/")
        if scope["type"] != "http" or (name not in self._read and _NEVER_PAGES.match(name)):
            await self._not_found(scope, receive, send)
            return
        scope["route"] = self
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        await self._answer(name, Headers(scope=scope))(scope, receive, send)

    def _answer(self, name: str, asked: Headers) -> Response:
        file = self._read.get(name) or self._read.get("index.html")
        if file is None:
            return HTMLResponse(_NOT_BUILT)
        encoding = next((known for known in file.bodies if _accepts(asked, known)), "identity")
        headers = dict(file.headers)
        headers["ETag"] = f'"{headers["ETag"]}-{encoding}"'
        if encoding != "identity":
            headers["Content-Encoding"] = encoding
        if headers["ETag"] in asked.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(file.bodies[encoding], headers=headers)


def _read(name: str, path: Path, csp: str) -> _File:
    content = path.read_bytes()
    bodies = {
        encoding: packed.read_bytes()
        for encoding, suffix in _ENCODINGS
        if (packed := path.with_name(path.name + suffix)).is_file()
    }
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    is_text = media_type.startswith("text/") or media_type.endswith(("javascript", "json"))
    headers = {
        "Content-Type": f"{media_type}; charset=utf-8" if is_text else media_type,
        "Cache-Control": (
            "public, max-age=31536000, immutable" if name.startswith(_IMMUTABLE) else "no-cache"
        ),
        "ETag": hashlib.sha256(content).hexdigest()[:24],
        "Vary": "Accept-Encoding",
        "Content-Security-Policy": csp,
    }
    return _File({**bodies, "identity": content}, headers)


def _policy(index: str) -> str:
    """The app's own scripts are let in by the hashes that its build wrote into the page."""
    found = _SCRIPT_SRC.search(index)
    return _CSP.format(script_src=found[1] if found else "script-src 'self'")


def _accepts(asked: Headers, encoding: str) -> bool:
    offers = (part.strip() for part in asked.get("accept-encoding", "").split(","))
    return any(
        offer.partition(";")[0].strip() == encoding and "q=0" not in offer.replace("q=0.", "")
        for offer in offers
    )


def install_web_app(app: FastAPI, directory: Path = BUILT) -> None:
    """Behind every route: what no route answers goes to the web app."""
    app.router.default = WebApp(directory, app.router.default)
