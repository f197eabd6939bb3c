"""Credits, refunds, concurrency and repeated trace ids, with the journal as witness."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pixsim7_simulator import RunningSimulator
from pixsim7_simulator.dialects.pixverse import data
from tests.simulator.conftest import TEXT_COST, Vendor


async def test_credits_leave_at_submit_monthly_first(vendor: Vendor) -> None:
    await vendor.video(duration=15)
    content = (await vendor.ask("GET", "/account/balance")).content
    assert (content["credit_monthly"], content["credit_package"]) == (0, 1000 - 15 * 9)
    assert isinstance(content["account_id"], int)


@pytest.mark.parametrize(("word", "status"), [("filtered-word", 7), ("failing-word", 8)])
async def test_failed_generations_are_refunded(
    sim: RunningSimulator, vendor: Vendor, word: str, status: int
) -> None:
    video = await vendor.video(prompt=f"a {word}")
    assert await vendor.balance() == 1000 - TEXT_COST
    sim.clock.advance(5)
    poll = (await vendor.poll(video)).content
    assert (poll["status"], poll["url"], poll["size"]) == (status, "", 0)
    assert (await vendor.ask("GET", "/account/balance")).content["credit_monthly"] == 100
    kinds = [(row["kind"], row["amount"]) for row in await sim.charges(video_id=video)]
    assert kinds == [("charge", TEXT_COST), ("refund", TEXT_COST)]


async def test_an_empty_balance_refuses(sim: RunningSimulator, vendor: Vendor) -> None:
    await sim.patch_account(vendor.key, monthly=0, package=TEXT_COST - 1)
    assert (await vendor.text()).code == 500090
    assert await vendor.balance() == TEXT_COST - 1
    (attempt,) = await sim.violations(account=vendor.key)
    assert (attempt["kind"], attempt["balance"], attempt["cost"]) == ("no_credits", 44, 45)


async def test_slots_are_never_exceeded(sim: RunningSimulator, vendor: Vendor) -> None:
    replies = await asyncio.gather(*(vendor.text() for _ in range(8)))
    assert sorted(reply.code for reply in replies) == [0] * 5 + [500044] * 3
    assert await sim.concurrency(vendor.key) == {
        "running": 5,
        "peak": 5,
        "limit": 5,
        "over_limit": 3,
    }
    assert [row["kind"] for row in await sim.violations()] == ["over_limit"] * 3
    assert len(await sim.charges(kind="charge")) == 5
    sim.clock.advance(5)
    assert (await vendor.text()).code == 0
    running = [row["running"] for row in await sim.slots(account=vendor.key)]
    assert running == [1, 2, 3, 4, 5, 4, 3, 2, 1, 0, 1]


async def test_a_stuck_generation_gives_its_slot_back_after_ten_minutes(
    sim: RunningSimulator, vendor: Vendor
) -> None:
    await sim.patch_account(vendor.key, concurrent=1)
    await sim.fault({"kind": "never_finish"}, endpoint="pixverse.video.text")
    video = await vendor.video()
    sim.clock.advance(599)
    assert (await vendor.text()).code == 500044
    sim.clock.advance(1)
    assert (await vendor.text()).code == 0
    assert await vendor.status(video) == 5
    events = [row["event"] for row in await sim.slots(video_id=video)]
    assert events == ["start", "stuck_release"]


async def test_a_repeated_trace_id_answers_as_before(sim: RunningSimulator, vendor: Vendor) -> None:
    trace = str(uuid.uuid4())
    first, second = [await vendor.text(trace=trace) for _ in range(2)]
    assert first.content == second.content
    assert await vendor.balance() == 1000 - TEXT_COST
    assert (await sim.charges_by_trace())[trace]["charges"] == 1
    rows = await sim.requests(trace_id=trace)
    assert [row["duplicate"] for row in rows] == [0, 1]
    assert [row["object_id"] for row in rows] == [first.content["video_id"]] * 2


async def test_a_trace_id_is_known_per_key(vendor: Vendor, other: Vendor) -> None:
    trace = str(uuid.uuid4())
    first, second = await vendor.text(trace=trace), await other.text(trace=trace)
    assert first.content["video_id"] != second.content["video_id"]


async def test_simultaneous_repeats_are_charged_once(sim: RunningSimulator, vendor: Vendor) -> None:
    trace = str(uuid.uuid4())
    replies = await asyncio.gather(*(vendor.text(trace=trace) for _ in range(10)))
    assert len({reply.content["video_id"] for reply in replies}) == 1
    assert (await sim.charges_by_trace())[trace]["net"] == TEXT_COST


async def test_a_repeat_may_hang_for_ever(sim: RunningSimulator, vendor: Vendor) -> None:
    await sim.set(duplicate_trace="hang")
    trace = str(uuid.uuid4())
    await vendor.text(trace=trace)
    second = (await vendor.text(trace=trace)).content["video_id"]
    sim.clock.advance(10_000)
    assert await vendor.status(second) == 5


async def test_a_repeat_after_the_window_is_new(sim: RunningSimulator, vendor: Vendor) -> None:
    await sim.set(trace_window_seconds=60)
    trace = str(uuid.uuid4())
    await vendor.text(trace=trace)
    sim.clock.advance(61)
    await vendor.text(trace=trace)
    assert (await sim.charges_by_trace())[trace]["charges"] == 2


async def test_usage_lists_consumption_and_refunds(sim: RunningSimulator, vendor: Vendor) -> None:
    await vendor.finished_video(prompt="a filtered-word")
    await vendor.finished_video()
    now = datetime.fromtimestamp(sim.clock.now(), UTC)
    body: dict[str, Any] = {
        "start_time": (now - timedelta(hours=1)).strftime("%Y-%m-%d %H:%M:%S"),
        "end_time": now.strftime("%Y-%m-%d %H:%M:%S"),
        "limit": 2,
    }
    route = "/account/billing/usage-detail"
    page = (await vendor.ask("POST", route, json=body)).content
    assert [line["credits_status"] for line in page["list"]] == ["consume", "refund"]
    rest = (await vendor.ask("POST", route, json={**body, "cursor": page["next_cursor"]})).content
    assert [line["credits_status"] for line in rest["list"]] == ["consume"]
    assert rest["next_cursor"] == ""
    refunds = {**body, "credits_status": "refund", "creation_type": ["text_to_video"]}
    assert len((await vendor.ask("POST", route, json=refunds)).content["list"]) == 1
    too_long = {**body, "start_time": "2026-01-01 00:00:00"}
    assert (await vendor.ask("POST", route, json=too_long)).code == 400017


@pytest.mark.parametrize(
    ("model", "quality", "seconds", "switches", "price"),
    [
        ("v6", "360p", 1, {}, 5),
        ("v6", "1080p", 15, {"audio": True}, 345),
        ("c1", "720p", 4, {"audio": True}, 52),
        ("v5.6", "540p", 5, {"audio": True}, 90),
        ("v5.6", "720p", 10, {}, 99),
        ("v5.5", "720p", 8, {"audio": True, "multi": True}, 160),
        ("v5.5", "360p", 10, {"multi": True}, 129),
        ("v5", "1080p", 8, {}, 240),
        ("v4", "720p", 5, {"fast": True}, 120),
        ("v3.5", "540p", 8, {}, 90),
    ],
)
def test_prices(
    model: str, quality: str, seconds: int, switches: dict[str, bool], price: int
) -> None:
    chosen = {"audio": False, "multi": False, "fast": False, **switches}
    assert data.clip_price(model, quality, seconds, **chosen) == price


@pytest.mark.parametrize(
    ("quality", "seconds", "fast", "price"),
    [
        ("720p", 5, False, 60),
        ("720p", 10, False, 132),
        ("720p", 30, False, 360),
        ("1080p", 30, False, 720),
        ("540p", 30, False, 270),
        ("720p", 5, True, 120),
    ],
)
def test_multi_transition_prices(quality: str, seconds: int, fast: bool, price: int) -> None:
    assert data.multi_transition_price(quality, seconds, fast=fast) == price
