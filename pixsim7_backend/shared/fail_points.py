"""Named places where a test may make the process die, pause or fail.

`PIXSIM7_FAIL_POINTS="submit.after_intent=kill:3,poll.after_status=raise"` acts at the third hit of
the first name and at every hit of the second. Nothing happens without the variable, and the
settings refuse it outside of test runs (`PIXSIM7_ENV=test`).
"""

import asyncio
import os
import signal
from collections import Counter

FAIL_POINTS = frozenset(
    {
        "accept.before_commit",
        "accept.after_commit",
        "claim.after",
        "reserve.after_slot",
        "reserve.after_commit",
        "prepare.before_upload",
        "prepare.after_upload",
        "submit.before_connect",
        "submit.before_intent",
        "submit.after_intent",
        "submit.after_write",
        "submit.after_headers",
        "submit.after_body",
        "submit.after_evidence",
        "submit.after_accept",
        "poll.after_status",
        "poll.before_t6",
        "poll.after_t6",
        "fetch.open",
        "fetch.mid",
        "fetch.after_fsync",
        "fetch.after_link",
        "fetch.before_t7",
        "fetch.after_t7",
        "resolve.after_list",
        "resolve.before_verdict",
        "outbox.after_take",
        "outbox.after_send",
        "reap.after_select",
        "reap.after_update",
        "gc.after_select",
        "gc.after_tombstone",
        "gc.before_unlink",
    }
)


class FailPointHit(Exception):
    """Raised by the action `raise`."""


_hits: Counter[str] = Counter()


def _armed(name: str) -> tuple[str, int] | None:
    for entry in os.environ.get("PIXSIM7_FAIL_POINTS", "").split(","):
        point, _, action = entry.strip().partition("=")
        if point == name and action:
            verb, _, nth = action.partition(":")
            return verb, int(nth or 0)
    return None


async def fail_point(name: str) -> None:
    """Do what the test asked for here; nothing otherwise."""
    if "PIXSIM7_FAIL_POINTS" not in os.environ:
        return
    assert name in FAIL_POINTS, name  # noqa: S101 - a misspelt name must not pass silently
    armed = _armed(name)
    if armed is None:
        return
    verb, nth = armed
    _hits[name] += 1
    if nth and _hits[name] != nth:
        return
    if verb == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif verb == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif verb == "raise":
        raise FailPointHit(name)
    elif verb == "yield":
        await asyncio.sleep(0)
    else:
        raise ValueError(f"unknown fail point action {verb!r}")
