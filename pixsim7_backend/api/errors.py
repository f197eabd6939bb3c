"""The only place that knows how errors look in HTTP: RFC 9457 problems with stable codes."""

import math
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import Scope

from pixsim7_backend.api.schemas.problem import Problem
from pixsim7_backend.domain.account import InsufficientCredits
from pixsim7_backend.domain.user import QuotaExceeded
from pixsim7_backend.infrastructure.storage.errors import BlobTooLarge
from pixsim7_backend.shared.errors import (
    Conflict,
    FieldProblem,
    Forbidden,
    InvalidInput,
    LimitReached,
    NotFound,
    PixSimError,
    Unauthenticated,
    Unavailable,
)

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
DEFAULT_RETRY_AFTER_S = 10.0


class BadRequest(InvalidInput):
    """The request cannot even be read."""

    code = "bad_request"
    title = "The request cannot be read"


class InvalidJson(BadRequest):
    code = "invalid_json"
    title = "The body is not JSON"


class MethodNotAllowed(PixSimError):
    code = "method_not_allowed"
    title = "This method is not offered here"


class InternalError(PixSimError):
    code = "internal_error"
    title = "Something went wrong on our side"


class TooLarge(LimitReached):
    code = "body_too_large"
    title = "The request is too large"


STATUS: Mapping[type[PixSimError], int] = {
    InvalidInput: 422,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    LimitReached: 429,
    Unavailable: 503,
    # A rate passes by waiting; a file never becomes smaller, nor an account richer.
    BlobTooLarge: 413,
    InsufficientCredits: 409,
    # 429 as any used-up allowance, but without Retry-After: no short wait helps.
    QuotaExceeded: 429,
    BadRequest: 400,
    MethodNotAllowed: 405,
    TooLarge: 413,
    InternalError: 500,
}


def status_of(kind: type[PixSimError]) -> int:
    """The status of an error class: its own, or that of the nearest kind above it."""
    return next((STATUS[base] for base in kind.__mro__ if base in STATUS), 500)


# --- one error as an answer -------------------------------------------------------------------


def problem_response(
    error: PixSimError, scope: Scope, headers: Mapping[str, str] | None = None
) -> Response:
    """The answer for an error; usable by pure ASGI middleware too."""
    status = status_of(type(error))
    problem = Problem(
        type=f"urn:pixsim7:problem:{error.code}",
        title=error.title,
        status=status,
        detail=error.detail,
        code=error.code,
        instance=scope.get("path", ""),
        request_id=scope.get("state", {}).get("request_id", ""),
        fields=[read_field(problem) for problem in error.fields],
    )
    return JSONResponse(
        problem.model_dump(mode="json"),
        status,
        headers={**_headers(error, status), **(headers or {})},
        media_type=MEDIA_TYPE,
    )


def read_field(problem: FieldProblem) -> dict[str, Any]:
    """What is wrong with one field, as answers tell it."""
    allowed = problem.allowed
    if allowed is not None and not isinstance(allowed, str):
        allowed = list(allowed)
    return {"field": problem.field, "message": problem.message, "allowed": allowed}


def _headers(error: PixSimError, status: int) -> dict[str, str]:
    headers = {"Cache-Control": "no-store"}
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="pixsim7"'
    wait = error.retry_after_s
    if status == 503 and wait is None:
        wait = DEFAULT_RETRY_AFTER_S
    if wait is not None and status in (429, 503):
        headers["Retry-After"] = str(max(1, math.ceil(wait)))
    return headers


# --- handlers ---------------------------------------------------------------------------------


async def on_pixsim_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, PixSimError)  # noqa: S101 - registered for these only
    return problem_response(error, request.scope)


async def on_invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for these only
    return problem_response(translated(error), request.scope)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """What the router and the framework raise by themselves."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for these only
    match error.status_code:
        case 404:
            ours: PixSimError = NotFound("There is nothing at this address.")
        case 405:
            ours = MethodNotAllowed("Another method may be; see the header Allow.")
        case 413:
            ours = TooLarge("The request's body is larger than this address takes.")
        case status if status < 500:
            ours = BadRequest("The request's body cannot be read.")
        case _:
            ours = InternalError("Something went wrong on our side.")
    return problem_response(ours, request.scope, error.headers)


def internal_error(scope: Scope, error: Exception) -> Response:
    """For what nobody expected: the answer tells nothing, the log all."""
    # Text, not the exception: no renderer may add the values of local variables.
    told = "".join(traceback.format_exception(error))
    log.error("unhandled_error", error=type(error).__name__, traceback=told)
    return problem_response(InternalError("Something went wrong on our side."), scope)


async def on_response_error(request: Request, error: Exception) -> Response:
    return internal_error(request.scope, error)


def install_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(PixSimError, on_pixsim_error)
    app.add_exception_handler(RequestValidationError, on_invalid_request)
    app.add_exception_handler(ResponseValidationError, on_response_error)
    app.add_exception_handler(HTTPException, on_http_exception)


# --- FastAPI's findings in our words ----------------------------------------------------------

_WORDS = {
    "missing": "is required",
    "extra_forbidden": "is not known here",
    "uuid_parsing": "must be an id",
    "uuid_type": "must be an id",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "decimal_parsing": "must be a number",
    "decimal_type": "must be a number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be a JSON object; is Content-Type application/json?",
    "datetime_type": "must be a time in ISO 8601",
    "datetime_parsing": "must be a time in ISO 8601",
    "datetime_from_date_parsing": "must be a time in ISO 8601",
    "timezone_aware": "must say its time zone",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    "enum": "must be one of the known words",
    "literal_error": "must be one of the known words",
    "union_tag_invalid": "must be one of the known words",
    "union_tag_not_found": "is required",
}


def translated(error: RequestValidationError) -> PixSimError:
    """Our error for it, without any value that was sent."""
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        place = next(item["loc"][-1] for item in found if item["type"] == "json_invalid")
        return InvalidJson(f"The body is not JSON: it breaks at character {place}.")
    if any(item["loc"][:1] == ("path",) for item in found):
        return NotFound("There is nothing at this address.")
    fields = [_translated_field(item) for item in found]
    names = ", ".join(dict.fromkeys(problem.field or "the body" for problem in fields))
    return InvalidInput(f"These fields are not valid: {names}.", fields=fields)


def _translated_field(item: Mapping[str, Any]) -> FieldProblem:
    context = item.get("ctx") or {}
    location = [str(part) for part in item["loc"]]
    location = location[1:] if location[:1] != ["path"] else location
    if item["type"].startswith("union_tag"):
        location.append(str(context.get("discriminator", "")).strip("'"))
    words = _WORDS.get(item["type"], "is not valid")
    if item["type"] == "value_error":
        words = str(item["msg"]).removeprefix("Value error, ")
    return FieldProblem(".".join(location), words.format_map(context), _allowed(context))


def _allowed(context: Mapping[str, Any]) -> list[str] | str | None:
    expected = context.get("expected") or context.get("expected_tags")
    if expected is not None:
        text = str(expected).replace(" or ", ", ")
        return [word.strip().strip("'") for word in text.split(",")]
    bounds = {
        "ge": "at least",
        "gt": "more than",
        "le": "at most",
        "lt": "less than",
        "min_length": "a length of at least",
        "max_length": "a length of at most",
    }
    parts = [f"{words} {context[key]}" for key, words in bounds.items() if key in context]
    return ", ".join(parts) or None


# --- OpenAPI ----------------------------------------------------------------------------------


def problems(*kinds: type[PixSimError]) -> dict[int | str, dict[str, Any]]:
    """`responses=` for the errors that a route may answer with, one example for each code."""
    by_status: dict[int | str, list[type[PixSimError]]] = {}
    for kind in kinds:
        by_status.setdefault(status_of(kind), []).append(kind)
    return {status: _documented(found) for status, found in sorted(by_status.items(), key=str)}


def _documented(kinds: Sequence[type[PixSimError]]) -> dict[str, Any]:
    examples = {
        kind.code: {
            "summary": kind.title,
            "value": {
                "type": f"urn:pixsim7:problem:{kind.code}",
                "title": kind.title,
                "status": status_of(kind),
                "detail": f"{kind.title}.",
                "code": kind.code,
                "instance": "/api/v1/…",
                "request_id": "0198f2c4b7d07a31",
                "fields": [],
            },
        }
        for kind in kinds
    }
    return {
        "description": "; ".join(dict.fromkeys(kind.title for kind in kinds)),
        "content": {
            MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}
        },
    }
