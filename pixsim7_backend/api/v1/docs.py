"""The API's own description: for programs, and as one page for people, with nothing from afar."""

from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse

from pixsim7_backend.api.dependencies import LocalOrSignedIn

router = APIRouter(tags=["health"], dependencies=[LocalOrSignedIn], include_in_schema=False)

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;
color:#1b1b1f;background:#fff}
h2{margin-top:2.5rem;border-bottom:1px solid #ddd}code{font-family:ui-monospace,monospace}
details{margin:.3rem 0;padding:.2rem .6rem;border:1px solid #ddd;border-radius:.4rem}
summary{cursor:pointer}.m{display:inline-block;min-width:4.5rem;font-weight:600}
th,td{text-align:left;padding:.1rem .8rem .1rem 0;vertical-align:top}
@media(prefers-color-scheme:dark){body{color:#e6e6ea;background:#16161a}
h2,details{border-color:#3a3a42}a{color:#9bb8ff}}
"""
CSP = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"


@router.get("/openapi.json", name="openapi")
async def get_openapi(request: Request) -> JSONResponse:
    return JSONResponse(request.app.openapi())


@router.get("/docs", name="docs")
async def get_docs(request: Request) -> HTMLResponse:
    page = "".join(_page(request.app.openapi()))
    return HTMLResponse(page, headers={"Content-Security-Policy": CSP})


def _page(schema: dict[str, Any]) -> Iterator[str]:
    info = schema["info"]
    yield f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(info['title'])} API"
    yield "</title><meta name=viewport content='width=device-width'>"
    yield f"<style>{_STYLE}</style><h1>{escape(info['title'])} API {escape(info['version'])}</h1>"
    yield f"<p>{escape(info['summary'])} <a href='/openapi.json'>openapi.json</a> (OpenAPI 3.1)</p>"
    for tag in schema["tags"]:
        found = list(_operations(schema, tag["name"]))
        if found:
            yield f"<h2>{escape(tag['name'])}</h2><p>{escape(tag['description'])}</p>"
            yield from found


def _operations(schema: dict[str, Any], tag: str) -> Iterator[str]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            if operation["tags"][0] == tag:
                yield "".join(_operation(path, method, operation))


def _operation(path: str, method: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"<details id={escape(operation['operationId'])}><summary><span class=m>"
    yield f"{method.upper()}</span><code>{escape(path)}</code></summary>"
    yield f"<p>{escape(operation.get('description', operation['summary']))}</p><table>"
    for parameter in operation.get("parameters", ()):
        yield f"<tr><th><code>{escape(parameter['name'])}</code><td>{escape(parameter['in'])}"
        yield f"<td>{escape(_type(parameter['schema']))}"
        yield f"<td>{escape(parameter.get('description', ''))}"
    yield "</table>"
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<p>Body: {escape(media)} <code>{escape(_type(content['schema']))}</code></p>"
    answers = ", ".join(
        f"{status} {answer.get('description', '')}"
        for status, answer in operation["responses"].items()
    )
    yield f"<p>Answers: {escape(answers)}</p></details>"


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " | ".join(_type(part) for part in schema[key])
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"{_type(schema.get('items', {}))}[]"
    return str(schema.get("format") or schema.get("type") or "any")
