"""Structured logs without secrets, and the metrics of this process."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from prometheus_client import Counter, Gauge, Histogram

POLL_LAG = Histogram(
    "pixsim7_poll_lag_seconds",
    "How late a submission was polled",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 5, 15, 60),
)
HTTP_REQUESTS = Histogram(
    "pixsim7_http_request_seconds",
    "Time to answer a request",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
TASKS = Histogram(
    "pixsim7_task_seconds",
    "Time to run a task",
    ["task", "outcome"],
    buckets=(0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30, 120),
)
ASSETS_FETCHED = Counter("pixsim7_assets_fetched_total", "Results brought home", ["outcome"])
OPEN_STREAMS = Gauge("pixsim7_event_streams", "Open event streams")

_SECRET_NAME = re.compile(
    r"(password|secret|token|authorization|cookie|api[-_]?key|credential)", re.IGNORECASE
)
_SECRET_VALUE = re.compile(
    r"px7_[0-9A-Za-z]{57}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}|\bsk-[\w-]{8,}|Bearer\s+\S+",
)


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The last step of every log line: names that sound secret, and shapes that are."""
    for key, value in event.items():
        if _SECRET_NAME.search(key):
            event[key] = "[hidden]"
        elif isinstance(value, str):
            event[key] = _SECRET_VALUE.sub("[hidden]", value)
    return event


def configure_logging(level: str, style: str) -> None:
    """One line per event on standard error: JSON, or text for a person's terminal."""
    as_text = style == "text" or (style == "auto" and sys.stderr.isatty())
    renderer: Any = (
        structlog.dev.ConsoleRenderer() if as_text else structlog.processors.JSONRenderer()
    )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, redact, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    # Libraries log through the standard module; the same redaction applies to them.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                redact,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(number)
    for noisy in ("pgqueuer", "asyncio", "alembic", "aiohttp.access", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(max(number, logging.WARNING))
