"""PixVerse's billing lines; the field names of a line are not documented, these are ours."""

from datetime import UTC, datetime, timedelta

from pixsim7_simulator.accounts import Account
from pixsim7_simulator.dialects.base import RefusedError
from pixsim7_simulator.dialects.pixverse.fields import Fields, invalid
from pixsim7_simulator.generations import REFUNDED
from pixsim7_simulator.world import World

_FORMAT = "%Y-%m-%d %H:%M:%S"
_TYPES = (
    "text_to_video", "image_to_video", "transition", "lip_sync", "extend", "sound_effect",
    "fusion", "restyle", "multi_transition", "swap", "agent", "swap_mask", "avatar",
    "image_to_image", "mimic", "modify", "upscale",
)  # fmt: skip


def usage(fields: Fields, world: World, account: Account) -> dict[str, object]:
    """One page of consumption and refunds, oldest first."""
    fields.require("start_time", "end_time")
    start, end = _moment(fields, "start_time"), _moment(fields, "end_time")
    if not timedelta(0) <= end - start <= timedelta(days=30):
        raise invalid("the period is over 30 days")
    limit = fields.number("limit", 20)
    if not 1 <= limit <= 100:
        raise invalid("limit")
    wanted = fields.text("credits_status", ("consume", "refund"))
    types = fields.items("creation_type")
    if any(kind not in _TYPES for kind in types):
        raise invalid("creation_type")
    cursor = fields.text("cursor") or "0"
    if not cursor.isdecimal():
        raise invalid("cursor")
    lines = [
        line
        for line in _lines(world, account)
        if start <= line[0] <= end + timedelta(seconds=1)  # the bounds are whole seconds
        and wanted in ("", line[1]["credits_status"])
        and (not types or line[1]["creation_type"] in types)
    ]
    first = int(cursor)
    page = [line for _, line in lines[first : first + limit]]
    return {"list": page, "next_cursor": str(first + limit) if first + limit < len(lines) else ""}


def _lines(world: World, account: Account) -> list[tuple[datetime, dict[str, object]]]:
    lines = []
    for generation in world.generations:
        if generation.account is not account:
            continue
        moments = [("consume", generation.created_at)]
        if generation.finished_at is not None and generation.order.outcome in REFUNDED:
            moments.append(("refund", generation.finished_at))
        for status, moment in moments:
            at = datetime.fromtimestamp(moment, UTC)
            line: dict[str, object] = {
                "create_time": at.strftime(_FORMAT),
                "creation_type": generation.order.operation,
                "credits": generation.order.cost,
                "credits_status": status,
            }
            if world.settings.usage_shows_video_id:
                line["video_id"] = generation.id
            lines.append((at, line))
    return sorted(lines, key=lambda line: line[0])


def _moment(fields: Fields, name: str) -> datetime:
    try:
        return datetime.strptime(fields.text(name), _FORMAT).replace(tzinfo=UTC)
    except ValueError:
        raise RefusedError(400013, f"Invalid binding: {name}") from None
